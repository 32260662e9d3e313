// 32 registers of 16 floats.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 8 pixels x 1 register: the multiplications broadcast their operand from memory, so a step is one
// load and 8 instructions, and 8 accumulators hide the multiplier's latency. A block of twice as
// many channels would be half empty in layers with 16 or 48 channels. Dense convolutions have short
// sums and compute 3 blocks together: 24 accumulators, 3 registers of weights and 1 broadcast
// (Zen 4: the stem takes 0.417 instead of 0.445).
inline constexpr int kConvMr = 8;
inline constexpr int kConvNv = 1;
inline constexpr int kConvBlocks = 3;
// 2 pixels x 4 blocks: 8 accumulators, and 4 loads of weights for 8 multiplications. These take 0.50
// for the squeezes and 0.19 for the classifier. Lists of 4 pixels with 1 block take 0.535 and 0.27, and
// lists of 1 pixel with 4 blocks 0.20 for the classifier (Zen 4).
inline constexpr int kSparseMr = 2;
inline constexpr int kSparseBlocks = 4;
// As AVX2's.
inline constexpr float kDenseFrom = 0.85f;
inline constexpr float kListCost = 6.0f;
// As AVX2's, but filters take less time: 32 registers hold more of a transform's values.
inline constexpr int kMaxTile = 7, kStemTile = 5, kLeastTiles = 4, kFilterTiles = 3;
// Nearly all processors with AVX-512 have an L2 cache of 1 MB or more. With 56 K, as for AVX2, 1.0 takes
// 1.02 times as long (Zen 4).
inline constexpr int64_t kChunkFloats = 104 * 1024;

}  // namespace SQZ_ISA
}  // namespace sqz
