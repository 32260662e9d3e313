// The one-dimensional transforms of the Winograd (Toom-Cook) algorithm F(m x m, r x r). Lavin and
// Gray, arXiv:1509.09308.
//
// All finite points except zero come in pairs +p, -p, so each transform splits into an even and an
// odd half: `even` and `odd` are the terms whose sum belongs to +p and whose difference to -p. A
// side has m + r - 1 points, in this order: zero if their number is even, +p0, -p0, +p1, -p1, ...,
// infinity. A two-dimensional transform applies the one-dimensional one to the columns, then to the
// rows. Most of a point's scale factors are moved from the filters, which are many, to the input,
// where they cost nothing.
//
// A side that is two points shorter lacks the last pair and has all other points. So filters that were
// transformed for `kFilterSide` points can be used for it, if its input is scaled for these filters.
#pragma once

#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {

// With powers of two the transforms' constants have short mantissas. The growth of 2 and of 1/2
// balance each other. Three values were tried for the fourth pair. 1/4 loses the least accuracy: a
// sixth of that of three pairs is left. 3/4 is no better, and with 4 only a two-hundredth is left.
static constexpr double kPairPoints[4] = {1.0, 2.0, 0.5, 0.25};

// The points and the factors of the transforms.
template <int kSide, int kTaps, int kFilterSide>
struct Points {
  static constexpr int kLength = kSide;
  static constexpr int kPairs = (kSide - 1) / 2;
  static constexpr int kZero = (kSide - 1) % 2;  // whether zero is a point
  static constexpr int kTile = kSide - kTaps + 1;
  static constexpr int kOne = kZero;  // the point 1, whose powers are all 1

  static constexpr double square(int pair) { return kPairPoints[pair] * kPairPoints[pair]; }

  // The coefficient of t^power in the product of (t - p^2) over all pairs except `skip`.
  static constexpr double coefficient(int power, int skip) {
    double polynomial[kPairs + 1] = {1.0};
    int degree = 0;
    for (int i = 0; i < kPairs; ++i) {
      if (i == skip) continue;
      for (int k = ++degree; k > 0; --k)
        polynomial[k] = polynomial[k - 1] - square(i) * polynomial[k];
      polynomial[0] *= -square(i);
    }
    return power <= degree ? polynomial[power] : 0.0;
  }

  // The product of (p - q) over all other finite points q. p is the first point of the pair, or
  // zero if `pair` is kPairs.
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

  // The scale of a pair's filter transform. Large points have large powers in the output transform,
  // so their filters are scaled down.
  static constexpr double filter_scale(int pair) {
    return kPairPoints[pair] > 1.0 ? 1.0 / power(pair, kFilterSide - kTaps) : 1.0;
  }

  // The factors of the input or the output transform, adjacent in memory. Where an instruction can
  // take a lane of a register as its operand, a few registers hold them all.
  struct Factors {
    float at[64];
  };

  // The order of the input factors. For each pair: the coefficients of the product over the other
  // pairs, times the scale of this pair's points. Then for infinity and for zero: the coefficients
  // of the product over all pairs. Then the points, by which the odd halves are multiplied in
  // addition.
  static constexpr int kOfPair = kPairs, kInfinity = kPairs * kOfPair;
  static constexpr int kOfZero = kInfinity + kPairs;
  static constexpr int kPoint = kOfZero + (kZero ? kPairs + 1 : 0);
  static constexpr int kInputFactors = kPoint + kPairs;
  static constexpr Factors input_factors() {
    Factors factors = {};
    for (int i = 0; i < kPairs; ++i) {
      const double p = kPairPoints[i], scale = p / spread(i) / filter_scale(i);
      for (int k = 0; k < kPairs; ++k)
        factors.at[i * kOfPair + k] = static_cast<float>(scale * coefficient(k, i));
      factors.at[kInfinity + i] = static_cast<float>(coefficient(i, kPairs));
      factors.at[kPoint + i] = static_cast<float>(p);
    }
    for (int k = 0; kZero && k <= kPairs; ++k)
      factors.at[kOfZero + k] = static_cast<float>(coefficient(k, kPairs) / spread(kPairs));
    return factors;
  }

  // The powers of the pairs' points, except those of the first point, which is 1.
  static constexpr int kOutputFactors = (kPairs - 1) * kTile;
  static constexpr Factors output_factors() {
    Factors factors = {};
    for (int i = 1; i < kPairs; ++i)
      for (int o = 0; o < kTile; ++o)
        factors.at[(i - 1) * kTile + o] = static_cast<float>(power(i, o));
    return factors;
  }
};

template <int kSide, int kTaps, int kFilterSide = kSide>
struct Transform : Points<kSide, kTaps, kFilterSide> {
  using P = Points<kSide, kTaps, kFilterSide>;
  using P::kPairs, P::kZero, P::kTile;

  static constexpr typename P::Factors kInput = P::input_factors(), kOutput = P::output_factors();

#if defined(SQZ_AARCH64)
  // Keeps the factors in registers.
  template <int kCount>
  struct Held {
    Vec registers[(kCount + kLanes - 1) / kLanes];

    explicit Held(const typename P::Factors& factors) {
      const float* from = as_one_address(factors.at);
      SQZ_UNROLL
      for (int i = 0; i < kCount; i += kLanes) registers[i / kLanes] = load(from + i);
    }
    template <int kPlace>
    Vec mul(Vec value) const {
      return vmulq_laneq_f32(value, registers[kPlace / kLanes], kPlace % kLanes);
    }
    template <int kPlace>
    Vec fma(Vec value, Vec sum) const {
      return fma_lane<kPlace % kLanes>(value, registers[kPlace / kLanes], sum);
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
    SQZ_INLINE Vec mul(Vec value) {
      constexpr float factor = kInput.at[kPlace];
      return SQZ_ISA::mul(broadcast(factor), value);
    }
    template <int kPlace>
    SQZ_INLINE Vec fma(Vec value, Vec sum) {
      constexpr float factor = kInput.at[kPlace];
      return SQZ_ISA::fma(broadcast(factor), value, sum);
    }
  };
  struct OutputFactors {
    template <int kPlace>
    SQZ_INLINE Vec fma(Vec value, Vec sum) {
      constexpr float factor = kOutput.at[kPlace];
      return SQZ_ISA::fma(broadcast(factor), value, sum);
    }
  };
#endif

  // Returns sum + factor kPlace * samples[0] + factor (kPlace + 1) * samples[2] + ..., kCount
  // terms.
  template <int kPlace, int kCount>
  SQZ_INLINE Vec add_terms(const InputFactors& factors, const Vec* samples, Vec sum) {
    if constexpr (kCount == 0) {
      return sum;
    } else {
      sum = factors.template fma<kPlace + kCount - 1>(samples[2 * kCount - 2], sum);
      return add_terms<kPlace, kCount - 1>(factors, samples, sum);
    }
  }

  template <int kPlace, int kCount>
  SQZ_INLINE Vec terms(const InputFactors& factors, const Vec* samples) {
    const Vec last = factors.template mul<kPlace + kCount - 1>(samples[2 * kCount - 2]);
    return add_terms<kPlace, kCount - 1>(factors, samples, last);
  }

  template <int kPair>
  SQZ_INLINE void input_pair(const InputFactors& factors, const Vec* samples, Vec* out) {
    constexpr int kPlace = kPair * P::kOfPair;
    const Vec even = terms<kPlace, kPairs>(factors, samples + kZero + 1);
    Vec odd = terms<kPlace, kPairs>(factors, samples + kZero);
    if constexpr (kPair > 0) odd = factors.template mul<P::kPoint + kPair>(odd);
    out[kZero + 2 * kPair] = add(odd, even);
    // For -p, the product of the differences has the opposite sign if their number is odd.
    out[kZero + 2 * kPair + 1] = kZero ? sub(even, odd) : sub(odd, even);
  }

  // Transforms kSide input samples to kSide points.
  SQZ_INLINE void input(const InputFactors& factors, const Vec* samples, Vec* out) {
    if constexpr (kZero) out[0] = terms<P::kOfZero, kPairs + 1>(factors, samples);
    input_pair<0>(factors, samples, out);
    input_pair<1>(factors, samples, out);
    if constexpr (kPairs > 2) input_pair<2>(factors, samples, out);
    if constexpr (kPairs > 3) input_pair<3>(factors, samples, out);
    // Every product of (t - p^2) is monic.
    out[kSide - 1] =
        add_terms<P::kInfinity, kPairs>(factors, samples + kZero, samples[kZero + 2 * kPairs]);
  }

  template <int kPair>
  SQZ_INLINE void filter_halves(const Vec* taps, Vec* even, Vec* odd) {
    constexpr double p = kPairPoints[kPair], scale = P::filter_scale(kPair);
    constexpr float factor0 = static_cast<float>(scale / p), factor1 = static_cast<float>(scale);
    constexpr float factor2 = static_cast<float>(scale * p);
    constexpr float factor3 = static_cast<float>(scale * p * p);
    *odd = taps[1];
    if constexpr (factor1 != 1.0f) *odd = mul(broadcast(factor1), taps[1]);
    if constexpr (kTaps > 3) *odd = fma(broadcast(factor3), taps[3], *odd);
    if constexpr (factor0 == 1.0f && factor2 == 1.0f)
      *even = add(taps[0], taps[2]);
    else
      *even = fma(broadcast(factor2), taps[2], mul(broadcast(factor0), taps[0]));
  }

  template <int kPair>
  SQZ_INLINE void filter_pair(const Vec* taps, Vec* out) {
    Vec even, odd;
    filter_halves<kPair>(taps, &even, &odd);
    out[kZero + 2 * kPair] = add(even, odd);
    out[kZero + 2 * kPair + 1] = sub(even, odd);
  }

  // Transforms kTaps taps to kSide points.
  SQZ_INLINE void filter(const Vec* taps, Vec* out) {
    if constexpr (kZero) out[0] = taps[0];
    filter_pair<0>(taps, out);
    filter_pair<1>(taps, out);
    if constexpr (kPairs > 2) filter_pair<2>(taps, out);
    if constexpr (kPairs > 3) filter_pair<3>(taps, out);
    out[kSide - 1] = taps[kTaps - 1];
  }

  template <int kSample>
  SQZ_INLINE void output_sample(const OutputFactors& factors, const Vec* points, const Vec* half,
                                Vec* out) {
    Vec sample = half[0];  // the first point is 1, whose powers are 1
    if constexpr (kSample == 0)
      sample = add(sample, half[1]);
    else
      sample = factors.template fma<kSample>(half[1], sample);
    if constexpr (kPairs > 2) {
      if constexpr (kSample == 0)
        sample = add(sample, half[2]);
      else
        sample = factors.template fma<kTile + kSample>(half[2], sample);
    }
    if constexpr (kPairs > 3) {
      if constexpr (kSample == 0)
        sample = add(sample, half[3]);
      else
        sample = factors.template fma<2 * kTile + kSample>(half[3], sample);
    }
    if constexpr (kZero && kSample == 0) sample = add(sample, points[0]);
    if constexpr (kSample == kTile - 1) sample = add(sample, points[kSide - 1]);
    out[kSample] = sample;
  }

  // Transforms kSide points to kTile output samples.
  SQZ_INLINE void output(const OutputFactors& factors, const Vec* points, Vec* out) {
    Vec sum[kPairs], difference[kPairs];
    SQZ_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      sum[i] = add(points[kZero + 2 * i], points[kZero + 2 * i + 1]);
      difference[i] = sub(points[kZero + 2 * i], points[kZero + 2 * i + 1]);
    }
    output_sample<0>(factors, points, sum, out);
    output_sample<1>(factors, points, difference, out);
    output_sample<2>(factors, points, sum, out);
    output_sample<3>(factors, points, difference, out);
    if constexpr (kTile > 4) output_sample<4>(factors, points, sum, out);
    if constexpr (kTile > 5) output_sample<5>(factors, points, difference, out);
    if constexpr (kTile > 6) output_sample<6>(factors, points, sum, out);
  }
};

}  // namespace SQZ_ISA
}  // namespace sqz
