#include "core/pack.h"

#include <algorithm>
#include <cstring>

namespace sqz {
namespace {

std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

float identity(float x) { return x; }

// `place(tap, ci)` is the index of a row of nr weights in its block; `weight_of` and `bias_of` convert
// values.
template <typename T, typename Place, typename WeightOf, typename BiasOf>
PackedOf<T> pack(const float* weight, const float* bias, int out, int in, int kh, int kw, int nr,
                 const Place& place, const WeightOf& weight_of, const BiasOf& bias_of) {
  const std::size_t blocks = (static_cast<std::size_t>(out) + nr - 1) / nr;
  const std::size_t taps = static_cast<std::size_t>(kh) * kw, depth = taps * in;
  PackedOf<T> packed{Array<T>(blocks * depth * nr), Array<T>(blocks * nr), out, in, kh, kw};
  std::transform(bias, bias + out, packed.bias.data(), bias_of);
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t rows = std::min<std::size_t>(nr, out - b * nr);
    const float* first = weight + b * nr * depth;
    T* block = packed.weight.data() + b * nr * depth;
    for (std::size_t i = 0; i < static_cast<std::size_t>(in); ++i)
      for (std::size_t t = 0; t < taps; ++t, ++first)
        for (std::size_t row = 0; row < rows; ++row)
          block[place(t, i) * nr + row] = weight_of(first[row * depth]);
  }
  return packed;
}

auto conv_place(int in) {
  return [in](std::size_t tap, std::size_t ci) { return tap * in + ci; };
}

auto winograd_place(int taps) {
  return [taps](std::size_t tap, std::size_t ci) { return ci * taps * taps + tap; };
}

// NaN if it is too large for a half. Infinity would not do: its products raise no overflow.
auto scaled_half(float factor) {
  return [factor](float x) {
    const Half half = to_half(factor * x);
    return (half & 0x7fff) == 0x7c00 ? Half{0x7e00} : half;
  };
}

}  // namespace

Half to_half(float x) {
  constexpr std::uint32_t kInfinity = 0x7f800000, kLargest = 0x477ff000, kNormal = 0x38800000;
  const std::uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
  const std::uint32_t sign = bits >> 16 & 0x8000;
  std::uint32_t half;
  if (magnitude > kInfinity) {
    half = 0x7e00;
  } else if (magnitude >= kLargest) {  // rounded beyond 65504
    half = 0x7c00;
  } else if (magnitude >= kNormal) {
    half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  } else {  // the last place of 0.5 is that of the smallest halves, so the sum is rounded to it
    half = bits_of((sign ? -x : x) + 0.5F) - bits_of(0.5F);
  }
  return static_cast<Half>(sign | half);
}

Packed pack_conv(const float* weight, const float* bias, int out, int in, int kh, int kw, int nr) {
  return pack<float>(weight, bias, out, in, kh, kw, nr, conv_place(in), identity, identity);
}

Packed pack_winograd(const float* weight, const float* bias, int out, int in, int taps, int nr) {
  return pack<float>(weight, bias, out, in, taps, taps, nr, winograd_place(taps), identity,
                     identity);
}

PackedHalves pack_conv_f16(const FloatWeights& w, int nr, const Factors& factors) {
  return pack<Half>(w.weight, w.bias, w.out, w.in, w.kh, w.kw, nr, conv_place(w.in),
                    scaled_half(factors.weight), scaled_half(factors.bias));
}

PackedHalves pack_winograd_f16(const FloatWeights& w, int nr, const Factors& factors) {
  return pack<Half>(w.weight, w.bias, w.out, w.in, w.kh, w.kw, nr, winograd_place(w.kh),
                    scaled_half(factors.weight), scaled_half(factors.bias));
}

}  // namespace sqz
