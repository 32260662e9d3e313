// The transform of Winograd's filters for AArch64. It handles a row of kConvNr outputs at a time:
// four registers, which one instruction stores.
#pragma once

#include "kernels/f32/winograd_transform.h"
#include "kernels/tiles/weights.h"

namespace sqz {
namespace SQZ_ISA {

static_assert(kConvNv == 4, "a row of outputs is four registers");

template <int kSide, int kTaps>
struct FilterRows {
  using T = Transform<kSide, kTaps>;

  // Stores four registers at `*to` and advances `*to` to the next point.
  SQZ_INLINE void put(const Vec* row, ptrdiff_t next, float** to) {
#if defined(__GNUC__)
    // With the intrinsic, compilers move the values to four consecutive registers through memory.
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
  SQZ_INLINE void pair(const Vec (*rows)[4], ptrdiff_t next, float** to) {
    Vec even[4], odd[4], point[4];
    SQZ_UNROLL
    for (int v = 0; v < 4; ++v) {
      Vec taps[kTaps];
      SQZ_UNROLL
      for (int i = 0; i < kTaps; ++i) taps[i] = rows[i][v];
      T::template filter_halves<kPair>(taps, even + v, odd + v);
    }
    SQZ_UNROLL
    for (int v = 0; v < 4; ++v) point[v] = add(even[v], odd[v]);
    put(point, next, to);
    SQZ_UNROLL
    for (int v = 0; v < 4; ++v) point[v] = sub(even[v], odd[v]);
    put(point, next, to);
  }

  // Transforms taps that lie `step` floats apart to points that lie `next` floats apart.
  template <typename W>
  SQZ_INLINE void transform(const W* taps, ptrdiff_t step, float* to, ptrdiff_t next) {
    Vec rows[kTaps][4];
    SQZ_UNROLL
    for (int i = 0; i < kTaps; ++i) load_row(taps + i * step, rows[i]);
    if constexpr (T::kZero) put(rows[0], next, &to);
    pair<0>(rows, next, &to);
    if constexpr (T::kPairs > 1) pair<1>(rows, next, &to);
    if constexpr (T::kPairs > 2) pair<2>(rows, next, &to);
    if constexpr (T::kPairs > 3) pair<3>(rows, next, &to);
    put(rows[kTaps - 1], next, &to);
  }
};

// Computes transformed[point][ci][kConvNr] of one block of output channels from weights
// w[ci][ky][kx][kConvNr].
template <int kSide, int kTaps, typename W>
SQZ_NOINLINE void transform_filters(const W* w, int channels, ptrdiff_t next_point,
                                    float* transformed) {
  using Rows = FilterRows<kSide, kTaps>;
  for (int channel = 0; channel < channels;
       ++channel, w += kTaps * kTaps * kConvNr, transformed += kConvNr) {
    // Each pass over an image reads the filters once, from memory or a distant cache.
    for (int line = 0; line < kTaps * kTaps * kConvNr; line += kLineOf<W>)
      prefetch(w + 8 * kTaps * kTaps * kConvNr + line);
    float half[kSide][kTaps][kConvNr];
    for (int j = 0; j < kTaps; ++j)
      Rows::transform(w + j * kConvNr, kTaps * kConvNr, half[0][j], kTaps * kConvNr);
    for (int i = 0; i < kSide; ++i)
      Rows::transform(half[i][0], kConvNr, transformed + i * kSide * next_point, next_point);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
