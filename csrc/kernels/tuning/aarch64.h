// NEON with 32 registers of 4 floats. The values also suit in-order cores.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 4 pixels x 4 registers: 16 accumulators, 4 registers that each hold 4 channels of one pixel, and
// 8 registers of weights. The multiplications take one lane of a pixel's register. The next 4
// weights are loaded while the current 4 are multiplied.
inline constexpr int kConvMr = 4;
inline constexpr int kConvNv = 4;
inline constexpr int kMaxTile = 7, kStemTile = 6, kTileStep = kConvMr, kFilterTiles = 4;

}  // namespace SQZ_ISA
}  // namespace sqz
