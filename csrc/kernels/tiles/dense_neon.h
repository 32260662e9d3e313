// The dense register tile for NEON. One load reads four channels of a pixel, and the
// multiplications take one lane of them. On AArch64, f32/aarch64/dense_tile.h replaces it wherever
// a tile's inputs can be packed.
#pragma once

namespace sqz {
namespace SQZ_ISA {

// Loads the register at `*p` and advances `*p`. Compilers combine both into one instruction.
SQZ_INLINE Vec next(const float** p) {
  const Vec v = load(*p);
  *p = as_one_address(*p + kLanes);
  return v;
}

// acc[m][v] += x[m][Lane] * w[v], for the next row of weights.
template <int Lane, int kRows>
SQZ_INLINE void multiply_lane(const Vec* x, const float** w, Vec (*acc)[kConvNv]) {
  Vec wv[kConvNv];
  SQZ_UNROLL
  for (int v = 0; v < kConvNv; ++v) wv[v] = next(w);
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
  const float* at[kRows];
  SQZ_UNROLL
  for (int m = 0; m < kRows; ++m) at[m] = x[m];
  const float* const last = w + depth / kLanes * kLanes * kConvNr;
  Vec xv[kRows];
  while (w != last) {
    SQZ_UNROLL
    for (int m = 0; m < kRows; ++m) xv[m] = next(&at[m]);
    multiply_lane<0, kRows>(xv, &w, acc);
    multiply_lane<1, kRows>(xv, &w, acc);
    multiply_lane<2, kRows>(xv, &w, acc);
    multiply_lane<3, kRows>(xv, &w, acc);
  }
  for (ptrdiff_t k = depth % kLanes; k > 0; --k) {
    SQZ_UNROLL
    for (int m = 0; m < kRows; ++m) xv[m] = broadcast(*at[m]++);
    multiply_lane<0, kRows>(xv, &w, acc);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
