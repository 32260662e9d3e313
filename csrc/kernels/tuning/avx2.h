// 16 registers of 8 floats.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 6 pixels x 2 registers: 12 accumulators, 2 registers of weights and 1 broadcast use 15 of the 16
// registers. A step has 8 loads and 12 multiplications; two load ports keep two multipliers busy.
inline constexpr int kConvMr = 6;
inline constexpr int kConvNv = 2;
inline constexpr int kConvBlocks = 1;
// 2 pixels x 4 registers: 8 accumulators, and 4 loads of weights for 8 multiplications. See avx512.h
// for other shapes.
inline constexpr int kSparseMr = 2;
inline constexpr int kSparseBlocks = 2;
// Instructions are equal (counted under qemu) at a share of 0.53 for 16 outputs, 0.71 for 32, 0.69 for 48
// and 0.74 for 64; these constants give 0.48, 0.66, 0.73 and 0.76.
inline constexpr float kDenseFrom = 0.85f;
inline constexpr float kListCost = 6.0f;
// Tiles of 7 x 7 pay on maps of 27 x 27 and more: at 13 x 13 their filters take 0.04 longer, fire8's expand
// 0.202 instead of 0.193 with 5 x 5 (Zen 4). The stem: 4 x 4 1.68, 5 x 5 1.29, and 6 x 6 is less exact.
inline constexpr int kMaxTile = 7, kStemTile = 5, kLeastTiles = 4, kFilterTiles = 4;
inline constexpr int64_t kChunkFloats = 56 * 1024;

}  // namespace SQZ_ISA
}  // namespace sqz
