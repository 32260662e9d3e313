// NEON with 32 registers of 4 floats. The values also suit in-order cores.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 4 pixels x 4 registers: 16 accumulators, 4 registers that each hold 4 channels of one pixel, and
// 8 registers of weights. The multiplications take one lane of a pixel's register. The next 4
// weights are loaded while the current 4 are multiplied.
inline constexpr int kConvMr = 4;
inline constexpr int kConvNv = 4;
// Tiles of 7 x 7: 65.5 million instructions for SqueezeNet 1.1 instead of 67.3 (docs/arm.md). The stem by
// 6 x 6: 81 products for 36 outputs, 5 x 5 has 64 for 25. The products of missing tiles are computed
// nevertheless, hence kLeastTiles.
inline constexpr int kMaxTile = 7, kStemTile = 6, kLeastTiles = kConvMr, kFilterTiles = 4;
inline constexpr int64_t kChunkFloats = 56 * 1024;

// Blocks of kConvNr outputs in one walk of a list: more would spare reading it again, but their weights
// would not stay in the L1 cache.
inline constexpr int kWalkBlocks = 2;

// The share of channels on the lists from which a squeeze is dense, for `blocks` blocks of outputs.
//
// A list costs more instructions for each channel on it, and the dense kernel more in all. Counted under
// qemu for one pixel and one channel of a squeeze (13 x 13 and 27 x 27 maps of 128 to 512 channels):
//   dense                 1.15 a register of outputs, and 2 for packing and for the lists of the sample
//   making the list       3
//   a channel on a list   17 for each walk of two blocks, 11 for each of one
// so the instructions are equal at a share of 0.30 for 16 outputs, 0.47 for 32, 0.45 for 48, 0.50 for 64.
// Cycles are another matter: out of order a register of outputs takes 1.0 cycles dense and 1.26 on a
// list, in order 1.8 and 4.8 (docs/arm.md, "Cycles": Cortex-A72, A53). The formula lies between the two:
// 0.29, 0.51, 0.62, 0.68. On a board: time the squeezes with it set to 0 (all dense) and to 2 (none).
SQZ_INLINE float dense_from(int blocks) {
  const float products = static_cast<float>(blocks * kConvNv);
  return (1.15f * products - 2.0f) / (1.25f * products + 4.0f);
}

}  // namespace SQZ_ISA
}  // namespace sqz
