// The dense register tile for NEON: four channels of a pixel are loaded at once, and the
// multiplications pick a lane.
#pragma once

namespace sqz {
namespace SQZ_ISA {

#if defined(SQZ_AARCH64)

// A row of weights, by one instruction, and on to the next.
SQZ_INLINE float32x4x4_t next_row(const float** w) {
  const float32x4x4_t row = vld1q_f32_x4(*w);
  *w = as_one_address(*w + kConvNr);
  return row;
}

SQZ_INLINE Vec next(const float** x) {
  const Vec v = load(*x);
  *x = as_one_address(*x + kLanes);
  return v;
}

// acc[m][v] += x[m][Lane] * w[v]
template <int Lane, int kRows>
SQZ_INLINE void multiply_lane(const Vec* x, float32x4x4_t w, Vec (*acc)[kConvNv]) {
  SQZ_UNROLL
  for (int m = 0; m < kRows; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) acc[m][v] = fma_lane<Lane>(w.val[v], x[m], acc[m][v]);
  }
}

template <int kRows>
SQZ_INLINE void multiply_tile(const float* const* x, ptrdiff_t depth, const float* w,
                              Vec (*acc)[kConvNv]) {
  const float* at[kRows];
  SQZ_UNROLL
  for (int m = 0; m < kRows; ++m) at[m] = x[m];
  const float* const last = w + depth / kLanes * kLanes * kConvNr;
  Vec xv[kRows];
  while (w != last) {
    SQZ_UNROLL
    for (int m = 0; m < kRows; ++m) xv[m] = next(&at[m]);
    const float32x4x4_t w0 = next_row(&w), w1 = next_row(&w);
    multiply_lane<0, kRows>(xv, w0, acc);
    const float32x4x4_t w2 = next_row(&w);
    multiply_lane<1, kRows>(xv, w1, acc);
    const float32x4x4_t w3 = next_row(&w);
    multiply_lane<2, kRows>(xv, w2, acc);
    multiply_lane<3, kRows>(xv, w3, acc);
  }
  for (ptrdiff_t k = depth % kLanes; k > 0; --k) {
    SQZ_UNROLL
    for (int m = 0; m < kRows; ++m) xv[m] = broadcast(*at[m]++);
    multiply_lane<0, kRows>(xv, next_row(&w), acc);
  }
}

#else

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

#endif

}  // namespace SQZ_ISA
}  // namespace sqz
