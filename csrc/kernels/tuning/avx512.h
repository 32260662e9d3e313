// 32 registers of 16 floats.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 8 pixels x 1 register: the multiplications broadcast their operand from memory, so a step is one
// load and 8 instructions, and 8 accumulators hide the multiplier's latency. A block of twice as
// many channels would be half empty in layers with 16 or 48 channels. Dense convolutions have short
// sums and compute 3 blocks together: 24 accumulators, 3 registers of weights and 1 broadcast.
inline constexpr int kConvMr = 8;
inline constexpr int kConvNv = 1;
inline constexpr int kConvBlocks = 3;
// 2 pixels x 4 blocks: 8 accumulators, and 4 loads of weights for 8 multiplications.
inline constexpr int kSparseMr = 2;
inline constexpr int kSparseBlocks = 4;
inline constexpr float kDenseFrom = 0.85f;
inline constexpr float kListCost = 6.0f;
inline constexpr int kMaxTile = 7, kStemTile = 5, kTileStep = 1, kFilterTiles = 3;

}  // namespace SQZ_ISA
}  // namespace sqz
