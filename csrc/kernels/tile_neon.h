// The dense register tile for NEON: four channels of a pixel are loaded at once, and the
// multiplications pick a lane.
#pragma once

namespace sqz {
namespace SQZ_ISA {

template <int Lane, int kRows>
SQZ_INLINE void multiply_lane(const Vec* x, const float* w, Vec (*acc)[kConvNv]) {
  Vec wv[kConvNv];
  SQZ_UNROLL
  for (int v = 0; v < kConvNv; ++v) wv[v] = load(w + v * kLanes);
  SQZ_UNROLL
  for (int m = 0; m < kRows; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) acc[m][v] = fma_lane<Lane>(wv[v], x[m], acc[m][v]);
  }
}

template <int kRows, int kBlocks = 1>
SQZ_INLINE void multiply_tile(const float* const* x, ptrdiff_t depth, const float* w, ptrdiff_t,
                              Vec (*acc)[kConvNv]) {
  static_assert(kBlocks == 1, "one block of columns fills the registers");
  ptrdiff_t k = 0;
  Vec xv[kRows];
  for (; k + kLanes <= depth; k += kLanes, w += kLanes * kConvNr) {
    SQZ_UNROLL
    for (int m = 0; m < kRows; ++m) xv[m] = load(x[m] + k);
    multiply_lane<0, kRows>(xv, w, acc);
    multiply_lane<1, kRows>(xv, w + kConvNr, acc);
    multiply_lane<2, kRows>(xv, w + 2 * kConvNr, acc);
    multiply_lane<3, kRows>(xv, w + 3 * kConvNr, acc);
  }
  for (; k < depth; ++k, w += kConvNr) {
    SQZ_UNROLL
    for (int m = 0; m < kRows; ++m) xv[m] = broadcast(x[m][k]);
    multiply_lane<0, kRows>(xv, w, acc);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
