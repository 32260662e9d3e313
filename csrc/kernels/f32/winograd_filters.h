// The transform of Winograd's filters, a register of output channels at a time.
#pragma once

#include "kernels/f32/winograd_transform.h"
#include "kernels/tuning/tuning.h"

namespace sqz {
namespace SQZ_ISA {

// Transforms taps of all columns to a row of points, which lie `next` floats apart.
template <typename T>
SQZ_INLINE void put_points(const Vec* taps, ptrdiff_t next, float* to) {
  Vec points[T::kLength];
  T::filter(taps, points);
  SQZ_UNROLL
  for (int j = 0; j < T::kLength; ++j) store(to + j * next, points[j]);
}

// The two rows of points of a pair.
template <typename T, int kTaps, int kPair>
SQZ_INLINE void put_pair(const Vec (*rows)[kTaps], ptrdiff_t next, float* to) {
  Vec plus[kTaps], minus[kTaps];
  SQZ_UNROLL
  for (int j = 0; j < kTaps; ++j) {
    Vec column[kTaps], even, odd;
    SQZ_UNROLL
    for (int i = 0; i < kTaps; ++i) column[i] = rows[i][j];
    T::template filter_halves<kPair>(column, &even, &odd);
    plus[j] = add(even, odd);
    minus[j] = sub(even, odd);
  }
  to += (T::kZero + 2 * kPair) * T::kLength * next;
  put_points<T>(plus, next, to);
  put_points<T>(minus, next, to + T::kLength * next);
}

// Computes u[point][ci][kConvNr] of one block of output channels from w[ci][ky][kx][kConvNr]. The
// columns are transformed for one pair of points at a time, whose values then stay in registers.
template <int kSide, int kTaps>
SQZ_NOINLINE void transform_filters(const float* w, int channels, ptrdiff_t next_point, float* u) {
  using T = Transform<kSide, kTaps>;
  for (int c = 0; c < channels; ++c, w += kTaps * kTaps * kConvNr, u += kConvNr) {
    // Each pass over an image reads the filters once, from memory or a distant cache.
    for (int line = 0; line < kTaps * kTaps * kConvNr; line += 16)
      prefetch(w + 8 * kTaps * kTaps * kConvNr + line);
    for (int v = 0; v < kConvNr; v += kLanes) {
      Vec rows[kTaps][kTaps];
      SQZ_UNROLL
      for (int i = 0; i < kTaps; ++i) {
        SQZ_UNROLL
        for (int j = 0; j < kTaps; ++j) rows[i][j] = load(w + (i * kTaps + j) * kConvNr + v);
      }
      float* to = u + v;
      if constexpr (T::kZero) put_points<T>(rows[0], next_point, to);
      put_pair<T, kTaps, 0>(rows, next_point, to);
      put_pair<T, kTaps, 1>(rows, next_point, to);
      if constexpr (T::kPairs > 2) put_pair<T, kTaps, 2>(rows, next_point, to);
      if constexpr (T::kPairs > 3) put_pair<T, kTaps, 3>(rows, next_point, to);
      put_points<T>(rows[kTaps - 1], next_point, to + (kSide - 1) * kSide * next_point);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
