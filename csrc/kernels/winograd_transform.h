// The one-dimensional transforms of Winograd's algorithm, see sqz/winograd.h. A two-dimensional
// one applies them to the columns, then to the rows. `even` and `odd` name the terms that a pair
// +p, -p adds and subtracts.
#pragma once

#include "sqz/winograd.h"
#include "vec.h"

namespace sqz {
namespace SQZ_ISA {

template <int kSide, int kTaps>
struct Transform {
  static constexpr int kPairs = (kSide - 1) / 2;
  static constexpr int kZero = (kSide - 1) % 2;  // whether zero is a point
  static constexpr int kTile = kSide - kTaps + 1;
  static constexpr int kPoints = kSide * kSide;

  static constexpr double square(int pair) {
    return winograd::kPairPoints[pair] * winograd::kPairPoints[pair];
  }

  // Coefficient of t^power in the product of (t - p^2) over all pairs but `skip`.
  static constexpr double coefficient(int power, int skip) {
    double c[kPairs + 1] = {1.0};
    int degree = 0;
    for (int i = 0; i < kPairs; ++i) {
      if (i == skip) continue;
      for (int k = ++degree; k > 0; --k) c[k] = c[k - 1] - square(i) * c[k];
      c[0] *= -square(i);
    }
    return power <= degree ? c[power] : 0.0;
  }

  // The product over all other finite points q of (p - q), for the first point of a pair or, with
  // kPairs, for zero.
  static constexpr double spread(int pair) {
    const double p = pair < kPairs ? winograd::kPairPoints[pair] : 0.0;
    double product = pair < kPairs ? 2.0 * p * (kZero ? p : 1.0) : 1.0;
    for (int i = 0; i < kPairs; ++i)
      if (i != pair) product *= p * p - square(i);
    return product;
  }

  static constexpr double power(int pair, int exponent) {
    double p = 1.0;
    for (int i = 0; i < exponent; ++i) p *= winograd::kPairPoints[pair];
    return p;
  }

  template <int kSkip>
  SQZ_INLINE Vec polynomial(const Vec* d) {
    constexpr int kDegree = kSkip < kPairs ? kPairs - 1 : kPairs;
    Vec sum = d[2 * kDegree];  // every product of (t - p^2) is monic
    if constexpr (kDegree >= 1) {
      constexpr float c = static_cast<float>(coefficient(kDegree - 1, kSkip));
      sum = fma(broadcast(c), d[2 * kDegree - 2], sum);
    }
    if constexpr (kDegree >= 2) {
      constexpr float c = static_cast<float>(coefficient(kDegree - 2, kSkip));
      sum = fma(broadcast(c), d[2 * kDegree - 4], sum);
    }
    if constexpr (kDegree >= 3) {
      constexpr float c = static_cast<float>(coefficient(kDegree - 3, kSkip));
      sum = fma(broadcast(c), d[2 * kDegree - 6], sum);
    }
    return sum;
  }

  template <int kPair>
  SQZ_INLINE void input_pair(const Vec* d, Vec* out) {
    const Vec even = polynomial<kPair>(d + kZero + 1);
    const Vec odd = polynomial<kPair>(d + kZero);
    const Vec p = broadcast(static_cast<float>(winograd::kPairPoints[kPair]));
    out[kZero + 2 * kPair] = fma(p, odd, even);
    out[kZero + 2 * kPair + 1] = fnma(p, odd, even);
  }

  // kSide input samples to kSide points.
  SQZ_INLINE void input(const Vec* d, Vec* out) {
    if constexpr (kZero) out[0] = polynomial<kPairs>(d);
    input_pair<0>(d, out);
    if constexpr (kPairs > 1) input_pair<1>(d, out);
    if constexpr (kPairs > 2) input_pair<2>(d, out);
    out[kSide - 1] = polynomial<kPairs>(d + kZero);
  }

  template <int kPair>
  SQZ_INLINE void filter_pair(const Vec* g, Vec* out) {
    constexpr double n = spread(kPair);
    const auto scaled = [](int tap) {
      return broadcast(static_cast<float>(power(kPair, tap) / n));
    };
    Vec even = mul(scaled(0), g[0]), odd = mul(scaled(1), g[1]);
    even = fma(scaled(2), g[2], even);
    if constexpr (kTaps > 3) odd = fma(scaled(3), g[3], odd);
    out[kZero + 2 * kPair] = add(even, odd);
    // The product of the differences changes its sign with the point where their number is odd.
    out[kZero + 2 * kPair + 1] = kZero ? sub(even, odd) : sub(odd, even);
  }

  // kTaps taps to kSide points.
  SQZ_INLINE void filter(const Vec* g, Vec* out) {
    if constexpr (kZero) out[0] = mul(broadcast(static_cast<float>(1.0 / spread(kPairs))), g[0]);
    filter_pair<0>(g, out);
    if constexpr (kPairs > 1) filter_pair<1>(g, out);
    if constexpr (kPairs > 2) filter_pair<2>(g, out);
    out[kSide - 1] = g[kTaps - 1];
  }

  // kSide points to kTile output samples.
  SQZ_INLINE void output(const Vec* m, Vec* out) {
    Vec sum[kPairs], difference[kPairs];
    SQZ_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      sum[i] = add(m[kZero + 2 * i], m[kZero + 2 * i + 1]);
      difference[i] = sub(m[kZero + 2 * i], m[kZero + 2 * i + 1]);
    }
    SQZ_UNROLL
    for (int o = 0; o < kTile; ++o) {
      const Vec* half = o % 2 ? difference : sum;
      Vec y = half[0];  // the first point is 1, whose powers are 1
      if constexpr (kPairs > 1) y = fma(broadcast(static_cast<float>(power(1, o))), half[1], y);
      if constexpr (kPairs > 2) y = fma(broadcast(static_cast<float>(power(2, o))), half[2], y);
      if (kZero && o == 0) y = add(y, m[0]);
      if (o == kTile - 1) y = add(y, m[kSide - 1]);
      out[o] = y;
    }
  }
};

}  // namespace SQZ_ISA
}  // namespace sqz
