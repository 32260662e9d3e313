// NEON with 16 registers of 4 floats.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 4 pixels x 2 registers: 8 accumulators, 2 registers of weights and 4 of pixels.
inline constexpr int kConvMr = 4;
inline constexpr int kConvNv = 2;
inline constexpr int kConvBlocks = 1;
inline constexpr int kSparseMr = 3;
inline constexpr int kSparseBlocks = 1;
inline constexpr float kDenseFrom = 0.9f;
inline constexpr float kListCost = 4.0f;
inline constexpr int kMaxTile = 6, kStemTile = 5, kTileStep = 1, kFilterTiles = 4;

}  // namespace SQZ_ISA
}  // namespace sqz
