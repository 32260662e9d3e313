// The points of the Winograd (Toom-Cook) algorithm F(m x m, r x r). Lavin and Gray,
// arXiv:1509.09308.
//
// All finite points but zero come in pairs +p, -p, so that every transform falls into an even
// and an odd half. The m + r - 1 points a side are, in this order: zero where their number is
// even, +p0, -p0, +p1, -p1, ..., infinity.
#pragma once

namespace sqz {
namespace winograd {

// Powers of two keep the transforms' constants short; 2 and 1/2 balance each other's growth. Of the
// fourth pairs tried, 1/4 loses least: a sixth of the accuracy of three pairs is left, but 3/4 does
// no better and 4 leaves a two-hundredth.
static constexpr double kPairPoints[4] = {1.0, 2.0, 0.5, 0.25};

// Floats between the values of one point and of the next, in scratch memory: the channels times
// the register tile make powers of two, which would put all points into the same few cache sets.
static constexpr int kPointPadding = 16;

}  // namespace winograd
}  // namespace sqz
