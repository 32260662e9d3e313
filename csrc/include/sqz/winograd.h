// The points of the Winograd (Toom-Cook) algorithm F(m x m, 3 x 3), shared by the packing of
// weights and by the kernels. Lavin and Gray, arXiv:1509.09308.
//
// All finite points but zero come in pairs +p, -p, so that every transform falls into an even
// and an odd half: m = 2 * pairs + (1 with the point zero) - 1, with m + 2 points a side counting
// infinity. They are ordered: zero if it is there, +p0, -p0, +p1, -p1, ..., infinity.
#pragma once

namespace sqz {
namespace winograd {

// Powers of two keep the transforms' constants short; 2 and 1/2 balance each other's growth.
static constexpr double kPairPoints[3] = {1.0, 2.0, 0.5};

static constexpr int kMinTile = 2, kMaxTile = 6;

static constexpr int pairs(int tile) { return (tile + 1) / 2; }
static constexpr bool has_zero(int tile) { return tile % 2 == 0; }
static constexpr int side(int tile) { return tile + 2; }

}  // namespace winograd
}  // namespace sqz
