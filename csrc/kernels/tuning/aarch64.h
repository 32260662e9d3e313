// NEON with 32 registers of 4 floats, for cores that run instructions in their order, too.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// 4 pixels x 4 registers: 16 accumulators, 4 registers with 4 channels of each pixel, of which the
// multiplications pick a lane, and 8 with weights: the next 4 are loaded while the present ones are
// multiplied.
inline constexpr int kConvMr = 4;
inline constexpr int kConvNv = 4;
inline constexpr int kMaxTile = 7, kStemTile = 6, kTileStep = kConvMr, kFilterTiles = 4;

}  // namespace SQZ_ISA
}  // namespace sqz
