// 32 registers of 16 floats.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 8 pixels x 1 register: the broadcasts are operands of the multiplications, so a step is one
// load and 8 instructions, and 8 sums in flight cover the multiplier's latency. A wider block of
// channels would leave half of it empty in the layers with 16 or 48 channels. Dense convolutions,
// whose sums are short, take 3 blocks at once: 24 sums, 3 weights and a broadcast (Zen 4: the stem 0.417
// instead of 0.445).
inline constexpr int kConvMr = 8;
inline constexpr int kConvNv = 1;
inline constexpr int kConvBlocks = 3;
// 2 pixels x 4 blocks: 8 sums, and 4 loads of weights for 8 multiplications. Lists of four pixels with
// one block took 0.535 for the squeezes and 0.27 for the classifier, lists of one pixel with four blocks
// 0.20 for the classifier, these 0.50 and 0.19 (Zen 4).
inline constexpr int kSparseMr = 2;
inline constexpr int kSparseBlocks = 4;
// As AVX2's.
inline constexpr float kDenseFrom = 0.85f;
inline constexpr float kListCost = 6.0f;
// As AVX2's, but filters take less time: 32 registers hold more of a transform's values.
inline constexpr int kMaxTile = 7, kStemTile = 5, kTileStep = 1, kFilterTiles = 3;

}  // namespace SQZ_ISA
}  // namespace sqz
