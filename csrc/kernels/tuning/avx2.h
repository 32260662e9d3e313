// 16 registers of 8 floats.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 6 pixels x 2 registers: 12 accumulators, 2 weights, 1 broadcast of the 16 registers, and 8
// loads for 12 multiplications, which two load ports sustain beside two multipliers.
inline constexpr int kConvMr = 6;
inline constexpr int kConvNv = 2;
inline constexpr int kConvBlocks = 1;
// 2 pixels x 4 registers: 8 sums, and 4 loads of weights for 8 multiplications.
inline constexpr int kSparseMr = 2;
inline constexpr int kSparseBlocks = 2;
inline constexpr float kDenseFrom = 0.85f;
inline constexpr float kListCost = 6.0f;
inline constexpr int kMaxTile = 7, kStemTile = 5, kTileStep = 1, kFilterTiles = 4;

}  // namespace SQZ_ISA
}  // namespace sqz
