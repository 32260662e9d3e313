// One float at a time.
#pragma once

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kConvMr = 4;
inline constexpr int kConvNv = 4;  // 16 accumulators
inline constexpr int kConvBlocks = 1;
inline constexpr int kSparseMr = 2;
inline constexpr int kSparseBlocks = 1;
// Not measured in time. Instructions are equal (counted under qemu, x86-64 and AArch64) at a share of 0.61
// for 16 outputs and of 0.65 to 0.70 for 32 to 64; these constants give 0.65 and 0.78 to 0.84.
inline constexpr float kDenseFrom = 0.9f;
inline constexpr float kListCost = 4.0f;
// The values of a transform for 7 x 7 do not fit into registers.
inline constexpr int kMaxTile = 6, kStemTile = 5, kLeastTiles = 1, kFilterTiles = 4;
inline constexpr int64_t kChunkFloats = 56 * 1024;

}  // namespace SQZ_ISA
}  // namespace sqz
