// The one-dimensional transforms of the Winograd (Toom-Cook) algorithm F(m x m, r x r). Lavin and
// Gray, arXiv:1509.09308.
//
// All finite points but zero come in pairs +p, -p, so that every transform falls into an even
// and an odd half. The m + r - 1 points a side are, in this order: zero where their number is
// even, +p0, -p0, +p1, -p1, ..., infinity. A two-dimensional transform applies
// them to the columns, then to the rows. `even` and `odd` name the terms that a pair +p, -p adds and
// subtracts. Most of the factors that belong to a point are taken by the input, where they cost
// nothing, from the filters, which are many.
#pragma once

#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {

// Powers of two keep the transforms' constants short; 2 and 1/2 balance each other's growth. Of the
// fourth pairs tried, 1/4 loses least: a sixth of the accuracy of three pairs is left, but 3/4 does
// no better and 4 leaves a two-hundredth.
static constexpr double kPairPoints[4] = {1.0, 2.0, 0.5, 0.25};

// What the transforms multiply by.
template <int kSide, int kTaps>
struct Points {
  static constexpr int kPairs = (kSide - 1) / 2;
  static constexpr int kZero = (kSide - 1) % 2;  // whether zero is a point
  static constexpr int kTile = kSide - kTaps + 1;
  static constexpr int kPoints = kSide * kSide;
  static constexpr int kOne = kZero;  // the point 1, whose powers are all 1

  static constexpr double square(int pair) { return kPairPoints[pair] * kPairPoints[pair]; }

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
    const double p = pair < kPairs ? kPairPoints[pair] : 0.0;
    double product = pair < kPairs ? 2.0 * p * (kZero ? p : 1.0) : 1.0;
    for (int i = 0; i < kPairs; ++i)
      if (i != pair) product *= p * p - square(i);
    return product;
  }

  static constexpr double power(int pair, int exponent) {
    double p = 1.0;
    for (int i = 0; i < exponent; ++i) p *= kPairPoints[pair];
    return p;
  }

  // What a pair's filter is multiplied by: large points have large powers in the output, and small
  // numbers should not vanish before they meet those.
  static constexpr double filter_scale(int pair) {
    return kPairPoints[pair] > 1.0 ? 1.0 / power(pair, kTile - 1) : 1.0;
  }

  // The factors of both transforms that every tile passes, side by side: where a register's lane
  // can be an operand, a few registers hold them all.
  struct Factors {
    float at[64];
  };

  // The polynomial without a pair, times what belongs to its point (even half; the odd one takes the
  // pair's point besides), then the one with all pairs: for infinity, and for zero.
  static constexpr int kOfPair = kPairs, kInfinity = kPairs * kOfPair;
  static constexpr int kOfZero = kInfinity + kPairs;
  static constexpr int kPoint = kOfZero + (kZero ? kPairs + 1 : 0);
  static constexpr int kInputFactors = kPoint + kPairs;
  static constexpr Factors input_factors() {
    Factors f = {};
    for (int i = 0; i < kPairs; ++i) {
      const double p = kPairPoints[i], scale = p / spread(i) / filter_scale(i);
      for (int k = 0; k < kPairs; ++k)
        f.at[i * kOfPair + k] = static_cast<float>(scale * coefficient(k, i));
      f.at[kInfinity + i] = static_cast<float>(coefficient(i, kPairs));
      f.at[kPoint + i] = static_cast<float>(p);
    }
    for (int k = 0; kZero && k <= kPairs; ++k)
      f.at[kOfZero + k] = static_cast<float>(coefficient(k, kPairs) / spread(kPairs));
    return f;
  }

  // The powers of all pairs' points but the first, which is 1.
  static constexpr int kOutputFactors = (kPairs - 1) * kTile;
  static constexpr Factors output_factors() {
    Factors f = {};
    for (int i = 1; i < kPairs; ++i)
      for (int o = 0; o < kTile; ++o) f.at[(i - 1) * kTile + o] = static_cast<float>(power(i, o));
    return f;
  }
};

template <int kSide, int kTaps>
struct Transform : Points<kSide, kTaps> {
  using P = Points<kSide, kTaps>;
  using P::kPairs, P::kZero, P::kTile;

  static constexpr typename P::Factors kInput = P::input_factors(), kOutput = P::output_factors();

#if defined(SQZ_AARCH64)
  // The factors in registers.
  template <int kCount>
  struct Held {
    Vec registers[(kCount + kLanes - 1) / kLanes];

    explicit Held(const typename P::Factors& factors) {
      const float* from = as_one_address(factors.at);
      SQZ_UNROLL
      for (int i = 0; i < kCount; i += kLanes) registers[i / kLanes] = load(from + i);
    }
    template <int kPlace>
    Vec mul(Vec a) const {
      return vmulq_laneq_f32(a, registers[kPlace / kLanes], kPlace % kLanes);
    }
    template <int kPlace>
    Vec fma(Vec a, Vec sum) const {
      return fma_lane<kPlace % kLanes>(a, registers[kPlace / kLanes], sum);
    }
  };
  struct InputFactors : Held<P::kInputFactors> {
    InputFactors() : Held<P::kInputFactors>(kInput) {}
  };
  struct OutputFactors : Held<P::kOutputFactors> {
    OutputFactors() : Held<P::kOutputFactors>(kOutput) {}
  };
#else
  struct InputFactors {
    template <int kPlace>
    SQZ_INLINE Vec mul(Vec a) {
      constexpr float factor = kInput.at[kPlace];
      return SQZ_ISA::mul(broadcast(factor), a);
    }
    template <int kPlace>
    SQZ_INLINE Vec fma(Vec a, Vec sum) {
      constexpr float factor = kInput.at[kPlace];
      return SQZ_ISA::fma(broadcast(factor), a, sum);
    }
  };
  struct OutputFactors {
    template <int kPlace>
    SQZ_INLINE Vec fma(Vec a, Vec sum) {
      constexpr float factor = kOutput.at[kPlace];
      return SQZ_ISA::fma(broadcast(factor), a, sum);
    }
  };
#endif

  // sum + the factors from kPlace on times d[0], d[2], ..., kCount of them.
  template <int kPlace, int kCount>
  SQZ_INLINE Vec add_terms(const InputFactors& f, const Vec* d, Vec sum) {
    if constexpr (kCount == 0) {
      return sum;
    } else {
      sum = f.template fma<kPlace + kCount - 1>(d[2 * kCount - 2], sum);
      return add_terms<kPlace, kCount - 1>(f, d, sum);
    }
  }

  template <int kPlace, int kCount>
  SQZ_INLINE Vec terms(const InputFactors& f, const Vec* d) {
    const Vec last = f.template mul<kPlace + kCount - 1>(d[2 * kCount - 2]);
    return add_terms<kPlace, kCount - 1>(f, d, last);
  }

  template <int kPair>
  SQZ_INLINE void input_pair(const InputFactors& f, const Vec* d, Vec* out) {
    constexpr int kPlace = kPair * P::kOfPair;
    const Vec even = terms<kPlace, kPairs>(f, d + kZero + 1);
    Vec odd = terms<kPlace, kPairs>(f, d + kZero);
    if constexpr (kPair > 0) odd = f.template mul<P::kPoint + kPair>(odd);
    out[kZero + 2 * kPair] = add(odd, even);
    // The product of the differences changes its sign with the point where their number is odd.
    out[kZero + 2 * kPair + 1] = kZero ? sub(even, odd) : sub(odd, even);
  }

  // kSide input samples to kSide points.
  SQZ_INLINE void input(const InputFactors& f, const Vec* d, Vec* out) {
    if constexpr (kZero) out[0] = terms<P::kOfZero, kPairs + 1>(f, d);
    input_pair<0>(f, d, out);
    input_pair<1>(f, d, out);
    if constexpr (kPairs > 2) input_pair<2>(f, d, out);
    if constexpr (kPairs > 3) input_pair<3>(f, d, out);
    // Every product of (t - p^2) is monic.
    out[kSide - 1] = add_terms<P::kInfinity, kPairs>(f, d + kZero, d[kZero + 2 * kPairs]);
  }

  template <int kPair>
  SQZ_INLINE void filter_halves(const Vec* g, Vec* even, Vec* odd) {
    constexpr double p = kPairPoints[kPair], s = P::filter_scale(kPair);
    constexpr float c0 = static_cast<float>(s / p), c1 = static_cast<float>(s);
    constexpr float c2 = static_cast<float>(s * p), c3 = static_cast<float>(s * p * p);
    *odd = g[1];
    if constexpr (c1 != 1.0f) *odd = mul(broadcast(c1), g[1]);
    if constexpr (kTaps > 3) *odd = fma(broadcast(c3), g[3], *odd);
    if constexpr (c0 == 1.0f && c2 == 1.0f)
      *even = add(g[0], g[2]);
    else
      *even = fma(broadcast(c2), g[2], mul(broadcast(c0), g[0]));
  }

  template <int kPair>
  SQZ_INLINE void filter_pair(const Vec* g, Vec* out) {
    Vec even, odd;
    filter_halves<kPair>(g, &even, &odd);
    out[kZero + 2 * kPair] = add(even, odd);
    out[kZero + 2 * kPair + 1] = sub(even, odd);
  }

  // kTaps taps to kSide points.
  SQZ_INLINE void filter(const Vec* g, Vec* out) {
    if constexpr (kZero) out[0] = g[0];
    filter_pair<0>(g, out);
    filter_pair<1>(g, out);
    if constexpr (kPairs > 2) filter_pair<2>(g, out);
    if constexpr (kPairs > 3) filter_pair<3>(g, out);
    out[kSide - 1] = g[kTaps - 1];
  }

  template <int kSample>
  SQZ_INLINE void output_sample(const OutputFactors& f, const Vec* m, const Vec* half, Vec* out) {
    Vec y = half[0];  // the first point is 1, whose powers are 1
    if constexpr (kSample == 0)
      y = add(y, half[1]);
    else
      y = f.template fma<kSample>(half[1], y);
    if constexpr (kPairs > 2) {
      if constexpr (kSample == 0)
        y = add(y, half[2]);
      else
        y = f.template fma<kTile + kSample>(half[2], y);
    }
    if constexpr (kPairs > 3) {
      if constexpr (kSample == 0)
        y = add(y, half[3]);
      else
        y = f.template fma<2 * kTile + kSample>(half[3], y);
    }
    if constexpr (kZero && kSample == 0) y = add(y, m[0]);
    if constexpr (kSample == kTile - 1) y = add(y, m[kSide - 1]);
    out[kSample] = y;
  }

  // kSide points to kTile output samples.
  SQZ_INLINE void output(const OutputFactors& f, const Vec* m, Vec* out) {
    Vec sum[kPairs], difference[kPairs];
    SQZ_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      sum[i] = add(m[kZero + 2 * i], m[kZero + 2 * i + 1]);
      difference[i] = sub(m[kZero + 2 * i], m[kZero + 2 * i + 1]);
    }
    output_sample<0>(f, m, sum, out);
    output_sample<1>(f, m, difference, out);
    output_sample<2>(f, m, sum, out);
    output_sample<3>(f, m, difference, out);
    if constexpr (kTile > 4) output_sample<4>(f, m, sum, out);
    if constexpr (kTile > 5) output_sample<5>(f, m, difference, out);
    if constexpr (kTile > 6) output_sample<6>(f, m, sum, out);
  }
};

}  // namespace SQZ_ISA
}  // namespace sqz
