// One float at a time.
#pragma once

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kConvMr = 4;
inline constexpr int kConvNv = 4;  // 16 accumulators
inline constexpr int kConvBlocks = 1;
inline constexpr int kSparseMr = 2;
inline constexpr int kSparseBlocks = 1;
inline constexpr float kDenseFrom = 0.9f;
inline constexpr float kListCost = 4.0f;
inline constexpr int kMaxTile = 6, kStemTile = 5, kTileStep = 1, kFilterTiles = 4;

}  // namespace SQZ_ISA
}  // namespace sqz
