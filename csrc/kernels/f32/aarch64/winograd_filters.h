// The transform of Winograd's filters for AArch64: a row of kConvNr outputs at a time, in groups of
// four registers that are loaded and stored by one instruction.
#pragma once

#include "kernels/f32/winograd_transform.h"

namespace sqz {
namespace SQZ_ISA {

static_assert(kConvNv == 4, "a row of outputs is four registers");

template <int kSide, int kTaps>
struct FilterRows {
  using T = Transform<kSide, kTaps>;

  // Stores four registers at `to` and goes on to the next point.
  SQZ_INLINE void put(const Vec* row, ptrdiff_t next, float** to) {
#if defined(__GNUC__)
    // Compilers bring the four registers of an intrinsic together by way of memory.
    register Vec v28 __asm__("v28") = row[0];
    register Vec v29 __asm__("v29") = row[1];
    register Vec v30 __asm__("v30") = row[2];
    register Vec v31 __asm__("v31") = row[3];
    __asm__ volatile("st1 {v28.4s-v31.4s}, [%0], %1"
                     : "+r"(*to)
                     : "r"(next * static_cast<ptrdiff_t>(sizeof(float))), "w"(v28), "w"(v29),
                       "w"(v30), "w"(v31)
                     : "memory");
#else
    vst1q_f32_x4(*to, {{row[0], row[1], row[2], row[3]}});
    *to += next;
#endif
  }

  template <int kPair>
  SQZ_INLINE void pair(const Vec (*g)[4], ptrdiff_t next, float** to) {
    Vec even[4], odd[4], point[4];
    SQZ_UNROLL
    for (int v = 0; v < 4; ++v) {
      Vec taps[kTaps];
      SQZ_UNROLL
      for (int i = 0; i < kTaps; ++i) taps[i] = g[i][v];
      T::template filter_halves<kPair>(taps, even + v, odd + v);
    }
    SQZ_UNROLL
    for (int v = 0; v < 4; ++v) point[v] = add(even[v], odd[v]);
    put(point, next, to);
    SQZ_UNROLL
    for (int v = 0; v < 4; ++v) point[v] = sub(even[v], odd[v]);
    put(point, next, to);
  }

  // Taps `step` floats apart to points `next` floats apart.
  SQZ_INLINE void transform(const float* taps, ptrdiff_t step, float* to, ptrdiff_t next) {
    Vec g[kTaps][4];
    SQZ_UNROLL
    for (int i = 0; i < kTaps; ++i) {
      SQZ_UNROLL
      for (int v = 0; v < 4; ++v) g[i][v] = load(taps + i * step + v * kLanes);
    }
    if constexpr (T::kZero) put(g[0], next, &to);
    pair<0>(g, next, &to);
    if constexpr (T::kPairs > 1) pair<1>(g, next, &to);
    if constexpr (T::kPairs > 2) pair<2>(g, next, &to);
    if constexpr (T::kPairs > 3) pair<3>(g, next, &to);
    put(g[kTaps - 1], next, &to);
  }
};

// u[point][ci][kConvNr] of one block of output channels, from w[ci][ky][kx][kConvNr].
template <int kSide, int kTaps>
SQZ_NOINLINE void transform_filters(const float* w, int channels, ptrdiff_t next_point, float* u) {
  using R = FilterRows<kSide, kTaps>;
  for (int c = 0; c < channels; ++c, w += kTaps * kTaps * kConvNr, u += kConvNr) {
    // The filters of one image's pass are read once: they come from afar.
    for (int line = 0; line < kTaps * kTaps * kConvNr; line += 16)
      prefetch(w + 8 * kTaps * kTaps * kConvNr + line);
    float half[kSide][kTaps][kConvNr];
    for (int j = 0; j < kTaps; ++j)
      R::transform(w + j * kConvNr, kTaps * kConvNr, half[0][j], kTaps * kConvNr);
    for (int i = 0; i < kSide; ++i)
      R::transform(half[i][0], kConvNr, u + i * kSide * next_point, next_point);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
