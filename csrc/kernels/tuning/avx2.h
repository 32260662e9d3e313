// 16 registers of 8 floats.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 6 pixels x 2 registers: 12 accumulators, 2 registers of weights and 1 broadcast use 15 of the 16
// registers. A step has 8 loads and 12 multiplications; two load ports keep two multipliers busy.
inline constexpr int kConvMr = 6;
inline constexpr int kConvNv = 2;
inline constexpr int kConvBlocks = 1;
// 2 pixels x 4 registers: 8 accumulators, and 4 loads of weights for 8 multiplications.
inline constexpr int kSparseMr = 2;
inline constexpr int kSparseBlocks = 2;
inline constexpr float kDenseFrom = 0.85f;
inline constexpr float kListCost = 6.0f;
inline constexpr int kMaxTile = 7, kStemTile = 5, kTileStep = 1, kFilterTiles = 4;

}  // namespace SQZ_ISA
}  // namespace sqz
