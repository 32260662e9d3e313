// The one-dimensional transforms of Winograd's algorithm with 6 points, in half precision: zero, two
// pairs +p, -p, and infinity. See f32/winograd_transform.h for the algorithm.
//
// With points p, the inputs' polynomials have the coefficients p^2 and products of them, which are
// exact in half precision for kNear and kFar. What cannot be exact, the division by the differences
// of points, is in the filters. docs/arm.md compares other points.
#pragma once

#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kSide = 6, kPoints = kSide * kSide;
inline constexpr float kNear = 0.75f, kFar = 1.5f;
inline constexpr float kNear2 = kNear * kNear, kFar2 = kFar * kFar;

// Transforms 6 input samples to 6 points: zero, +near, -near, +far, -far, infinity.
SQZ_INLINE void transform_input(const Vec* x, Vec* out) {
  const Vec near = broadcast(kNear), far = broadcast(kFar), near2 = broadcast(kNear2),
            far2 = broadcast(kFar2), sum2 = broadcast(kNear2 + kFar2),
            product2 = broadcast(kNear2 * kFar2);
  out[0] = fma(product2, x[0], fnma(sum2, x[2], x[4]));
  const Vec near_even = fnma(far2, x[2], x[4]), far_even = fnma(near2, x[2], x[4]);
  const Vec near_odd = mul(near, fnma(far2, x[1], x[3]));
  const Vec far_odd = mul(far, fnma(near2, x[1], x[3]));
  out[1] = add(near_even, near_odd);
  out[2] = sub(near_even, near_odd);
  out[3] = add(far_even, far_odd);
  out[4] = sub(far_even, far_odd);
  out[5] = fma(product2, x[1], fnma(sum2, x[3], x[5]));
}

// The products of a finite point's differences from all other finite points.
inline constexpr float kSpreadZero = kNear2 * kFar2;
inline constexpr float kSpreadNear = 2 * kNear2 * (kNear2 - kFar2);
inline constexpr float kSpreadFar = 2 * kFar2 * (kFar2 - kNear2);

// Transforms kTaps taps to 6 points.
template <int kTaps>
SQZ_INLINE void transform_filter(const Vec* taps, Vec* out) {
  const auto pair = [taps, out](float p, float spread, int first) {
    Vec even = fma(broadcast(p * p / spread), taps[2], mul(broadcast(1 / spread), taps[0]));
    Vec odd = mul(broadcast(p / spread), taps[1]);
    if constexpr (kTaps > 3) odd = fma(broadcast(p * p * p / spread), taps[3], odd);
    out[first] = add(even, odd);
    out[first + 1] = sub(even, odd);
  };
  out[0] = mul(broadcast(1 / kSpreadZero), taps[0]);
  pair(kNear, kSpreadNear, 1);
  pair(kFar, kSpreadFar, 3);
  out[5] = taps[kTaps - 1];
}

// Transforms 6 points to kTile output samples.
template <int kTile>
SQZ_INLINE void transform_output(const Vec* points, Vec* out) {
  const Vec near_sum = add(points[1], points[2]), near_difference = sub(points[1], points[2]);
  const Vec far_sum = add(points[3], points[4]), far_difference = sub(points[3], points[4]);
  const auto both = [](float near, Vec n, float far, Vec f) {
    return fma(broadcast(far), f, mul(broadcast(near), n));
  };
  out[0] = add(add(points[0], near_sum), far_sum);
  out[1] = both(kNear, near_difference, kFar, far_difference);
  out[2] = both(kNear2, near_sum, kFar2, far_sum);
  if constexpr (kTile > 3) out[3] = both(kNear2 * kNear, near_difference, kFar2 * kFar, far_difference);
  out[kTile - 1] = add(out[kTile - 1], points[5]);
}

}  // namespace SQZ_ISA
}  // namespace sqz
