// Block sizes and thresholds of the float32 kernels. Each instruction set has a file of its own,
// because the values follow from its registers and from measurements with it. Each file defines
//   kConvMr, kConvNv          a convolution tile is kConvMr pixels x kConvNv registers; its kConvNr
//                             channels are a block of output channels
//   kMaxTile, kStemTile       the largest Winograd tile that pays, for 3 taps and for 4: a larger
//                             tile needs fewer multiplications, but more registers
//   kLeastTiles               the products of a block of fewer tiles take as long as those of this
//                             many, because their few sums do not hide the multiplier's latency
//   kChunkFloats              how many points of the tiles are multiplied with all filters before the
//                             next ones: those that stay in the L2 cache
//   kFilterTiles              the products of this many tiles take as long as the transform of
//                             the filters
// and each except aarch64.h, whose matrix products have sources of their own, also defines
//   kConvBlocks               number of blocks that a dense convolution computes together
//   kSparseMr, kSparseBlocks  in the zero-skipping kernels, kSparseMr pixels share one list of
//                             channels, and one walk over it computes kSparseBlocks blocks of
//                             output channels
//   kDenseFrom, kListCost     the dense kernels are faster from this share of listed channels on:
//                             kDenseFrom - kListCost / outputs, where the second term is the cost
//                             of making the lists
//
// How to measure them: `python -m benchmarks.lab.stages` prints the time of each stage of a fire module.
//   kMaxTile, kStemTile   with --tile: the sum of input, filters, products and output
//   kFilterTiles          "filters" divided by "products" per tile
//   kDenseFrom,           build once with kDenseFrom 0, which never walks a list, and once with 2,
//   kListCost             which always does: the share of channels at which both take equally long
// The times below, of Zen 3 and Zen 4, are milliseconds of SqueezeNet 1.1 or 1.0 with one thread; see
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
