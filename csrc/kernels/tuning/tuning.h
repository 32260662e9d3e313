// Block sizes and switch points of the float32 kernels: one file for each instruction set, for they
// follow from its registers and from what was measured with it. Each gives
//   kConvMr, kConvNv           pixels x registers of one convolution tile; kConvNr, as many channels,
//                              is a block of output channels
//   kMaxTile, kStemTile        the largest tiles of Winograd's algorithm that pay, with 3 taps and with
//                              4: larger ones need fewer multiplications and more registers
//   kTileStep                  tiles whose products take as long as those of one of them
//   kFilterTiles               tiles whose products take as long as to transform the filters
// and all but AArch64's, whose products are written for it alone,
//   kConvBlocks                blocks that a dense convolution takes at once
//   kSparseMr, kSparseBlocks   pixels that share a list of channels in the zero-skipping kernels, and
//                              blocks of output channels that a walk of it takes at once
//   kDenseFrom, kListCost      the share of channels on the lists from which the dense kernels are
//                              the quicker ones, less kListCost / outputs for making the lists
//
// How to measure them: `python -m benchmarks.lab.stages` prints the time of each stage of a fire module.
//   kMaxTile, kStemTile        with --tile: the sum of input, filters, products and output
//   kFilterTiles               "filters" divided by "products" per tile
//   kDenseFrom, kListCost      build once with kDenseFrom 0, which never walks a list, and once with 2,
//                              which always does: the share of channels at which both take as long
// The numbers of Zen 3 and Zen 4 named below are milliseconds of SqueezeNet 1.1 or 1.0 on one thread, see
// docs/performance.md.
#pragma once

#include "kernels/simd/vec.h"

#if defined(SQZ_ISA_SCALAR)
#include "kernels/tuning/scalar.h"
#elif defined(SQZ_ISA_AVX2)
#include "kernels/tuning/avx2.h"
#elif defined(SQZ_ISA_AVX512)
#include "kernels/tuning/avx512.h"
#elif defined(SQZ_AARCH64)
#include "kernels/tuning/aarch64.h"
#else
#include "kernels/tuning/armv7.h"
#endif

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kConvNr = kConvNv * kLanes;

}  // namespace SQZ_ISA
}  // namespace sqz
