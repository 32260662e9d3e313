// NEON with 16 registers of 4 floats.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 4 pixels x 2 registers: 8 accumulators, 2 registers of weights and 4 of pixels.
inline constexpr int kConvMr = 4;
inline constexpr int kConvNv = 2;
inline constexpr int kConvBlocks = 1;
// 3 pixels x 2 registers: 6 sums, 2 weights and 3 broadcasts.
inline constexpr int kSparseMr = 3;
inline constexpr int kSparseBlocks = 1;
// Not measured in time. Instructions are equal (counted under qemu) at a share of 0.35 for 16 outputs and of
// 0.37 to 0.40 for 32 to 64; these constants give 0.65 and 0.78 to 0.84.
inline constexpr float kDenseFrom = 0.9f;
inline constexpr float kListCost = 4.0f;
// The values of a transform for 7 x 7 do not fit into 16 registers.
inline constexpr int kMaxTile = 6, kStemTile = 5, kLeastTiles = 1, kFilterTiles = 4;
inline constexpr int64_t kChunkFloats = 56 * 1024;

}  // namespace SQZ_ISA
}  // namespace sqz
