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

// The factors of a transform are lanes of one register.
SQZ_INLINE constexpr float16_t as_half(float exact) { return static_cast<float16_t>(exact); }

enum InputFactor {
  kNearOdd1,
  kNearOdd3,
  kFarOdd1,
  kFarOdd3,
  kNearSquare,
  kFarSquare,
  kSquares,
  kProduct
};
SQZ_INLINE Vec input_factors() {
  static constexpr float16_t kFactors[8] = {
      as_half(kNear * kFar2), as_half(kNear), as_half(kFar * kNear2),  as_half(kFar),
      as_half(kNear2),        as_half(kFar2), as_half(kNear2 + kFar2), as_half(kNear2 * kFar2)};
  return vld1q_f16(kFactors);
}

// Transforms 6 input samples to the points zero and infinity,
SQZ_INLINE void transform_ends(Vec factors, const Vec* x, Vec* zero, Vec* infinity) {
  *zero = fma_lane<kProduct>(x[0], factors, fnma_lane<kSquares>(x[2], factors, x[4]));
  *infinity = fma_lane<kProduct>(x[1], factors, fnma_lane<kSquares>(x[3], factors, x[5]));
}

// and to +near, -near, +far, -far, for which only the inner samples count.
SQZ_INLINE void transform_pairs(Vec factors, const Vec* x, Vec* out) {
  const Vec near_odd = fnma_lane<kNearOdd1>(x[1], factors, mul_lane<kNearOdd3>(x[3], factors));
  const Vec far_odd = fnma_lane<kFarOdd1>(x[1], factors, mul_lane<kFarOdd3>(x[3], factors));
  const Vec near_even = fnma_lane<kFarSquare>(x[2], factors, x[4]);
  const Vec far_even = fnma_lane<kNearSquare>(x[2], factors, x[4]);
  out[0] = add(near_even, near_odd);
  out[1] = sub(near_even, near_odd);
  out[2] = add(far_even, far_odd);
  out[3] = sub(far_even, far_odd);
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

enum OutputFactor { kNearPower1, kFarPower1, kNearPower2, kFarPower2, kNearPower3, kFarPower3 };
SQZ_INLINE Vec output_factors() {
  static constexpr float16_t kFactors[8] = {as_half(kNear),          as_half(kFar),
                                            as_half(kNear2),         as_half(kFar2),
                                            as_half(kNear2 * kNear), as_half(kFar2 * kFar)};
  return vld1q_f16(kFactors);
}

// Transforms 6 points to kTile output samples.
template <int kTile>
SQZ_INLINE void transform_output(Vec factors, const Vec* points, Vec* out) {
  const Vec near_sum = add(points[1], points[2]), near_difference = sub(points[1], points[2]);
  const Vec far_sum = add(points[3], points[4]), far_difference = sub(points[3], points[4]);
  out[0] = add(add(points[0], near_sum), far_sum);
  out[1] = fma_lane<kFarPower1>(far_difference, factors,
                                mul_lane<kNearPower1>(near_difference, factors));
  if constexpr (kTile > 3) {
    out[2] = fma_lane<kFarPower2>(far_sum, factors, mul_lane<kNearPower2>(near_sum, factors));
    out[3] = fma_lane<kNearPower3>(near_difference, factors, points[5]);
    out[3] = fma_lane<kFarPower3>(far_difference, factors, out[3]);
  } else {
    out[2] = fma_lane<kNearPower2>(near_sum, factors, points[5]);
    out[2] = fma_lane<kFarPower2>(far_sum, factors, out[2]);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
