#include "core/pack.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace sqz {
namespace {

std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// `rows_of(from, count)` gives the `count` weights of a block, which are adjacent, as values of T, or
// null if the weights cannot be packed as such; then the result is empty. `place(tap, ci)` is the
// index of a row of nr weights in the packed block.
template <typename T, typename Place, typename RowsOf>
Array<T> pack_rows(const FloatWeights& w, int nr, const Place& place, const RowsOf& rows_of) {
  const std::size_t blocks = (static_cast<std::size_t>(w.out) + nr - 1) / nr;
  const std::size_t taps = static_cast<std::size_t>(w.kh) * w.kw, depth = taps * w.in;
  Array<T> packed(blocks * depth * nr);
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t rows = std::min<std::size_t>(nr, w.out - b * nr);
    const T* first = rows_of(w.weight + b * nr * depth, rows * depth);
    if (first == nullptr) return {};
    T* block = packed.data() + b * nr * depth;
    for (std::size_t i = 0; i < static_cast<std::size_t>(w.in); ++i)
      for (std::size_t t = 0; t < taps; ++t, ++first)
        for (std::size_t row = 0; row < rows; ++row)
          block[place(t, i) * nr + row] = first[row * depth];
  }
  return packed;
}

template <typename Place>
Array<float> pack_floats(const FloatWeights& w, int nr, const Place& place) {
  return pack_rows<float>(w, nr, place, [](const float* from, std::size_t) { return from; });
}

template <typename T, typename BiasOf>
Array<T> pack_bias(const FloatWeights& w, int nr, const BiasOf& bias_of) {
  Array<T> packed((static_cast<std::size_t>(w.out) + nr - 1) / nr * nr);
  std::transform(w.bias, w.bias + w.out, packed.data(), bias_of);
  return packed;
}

float identity(float x) { return x; }

constexpr std::uint32_t kSmallestNormal = 0x38800000;  // 2^-14, of halves

// Writes `count` values as half-precision numbers and returns whether all of them are such. The loop
// has no branch, so that compilers vectorize it.
bool to_exact_halves(const float* values, std::size_t count, Half* halves) {
  constexpr std::uint32_t kLargest = 0x477fe000;
  std::uint32_t lost = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = bits_of(values[i]), magnitude = bits & 0x7fffffff;
    const float sum = std::fabs(values[i]) + 0.5F;  // its last place is that of the smallest halves
    const std::uint32_t small = bits_of(sum) - bits_of(0.5F),
                        normal = (magnitude - 0x38000000) >> 13;
    const bool is_normal = magnitude >= kSmallestNormal;
    halves[i] = static_cast<Half>((bits >> 16 & 0x8000) | (is_normal ? normal : small));
    const std::uint32_t lost_normal = (bits & 0x1fff) | (magnitude > kLargest);
    lost |= is_normal ? lost_normal : bits_of(sum - 0.5F) ^ magnitude;
  }
  return lost == 0;
}

template <typename Place>
PackedCompact pack_compact(const FloatWeights& w, int nr, const Place& place) {
  PackedCompact packed{{}, {}, pack_bias<float>(w, nr, identity), w.out, w.in, w.kh, w.kw};
  std::vector<Half> block(static_cast<std::size_t>(nr) * w.in * w.kh * w.kw);
  packed.halves = pack_rows<Half>(w, nr, place, [&](const float* from, std::size_t count) {
    return to_exact_halves(from, count, block.data()) ? block.data() : nullptr;
  });
  if (!packed.halves.data()) packed.floats = pack_floats(w, nr, place);
  return packed;
}

template <typename Place>
PackedHalves pack_halves(const FloatWeights& w, int nr, const Factors& factors,
                         const Place& place) {
  // NaN if it is too large for a half. Infinity would not do: its products raise no overflow.
  const auto scaled = [](float factor) {
    return [factor](float x) {
      const Half half = to_half(factor * x);
      return (half & 0x7fff) == 0x7c00 ? Half{0x7e00} : half;
    };
  };
  std::vector<Half> block(static_cast<std::size_t>(nr) * w.in * w.kh * w.kw);
  const auto rows_of = [&](const float* from, std::size_t count) {
    std::transform(from, from + count, block.begin(), scaled(factors.weight));
    return block.data();
  };
  return {pack_rows<Half>(w, nr, place, rows_of),
          pack_bias<Half>(w, nr, scaled(factors.bias)),
          w.out,
          w.in,
          w.kh,
          w.kw};
}

auto conv_place(int in) {
  return [in](std::size_t tap, std::size_t ci) { return tap * in + ci; };
}

auto winograd_place(int taps) {
  return [taps](std::size_t tap, std::size_t ci) { return ci * taps * taps + tap; };
}

}  // namespace

Half to_half(float x) {
  constexpr std::uint32_t kInfinity = 0x7f800000, kLargest = 0x477ff000;
  const std::uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
  const std::uint32_t sign = bits >> 16 & 0x8000;
  std::uint32_t half;
  if (magnitude > kInfinity) {
    half = 0x7e00;
  } else if (magnitude >= kLargest) {  // rounded beyond 65504
    half = 0x7c00;
  } else if (magnitude >= kSmallestNormal) {
    half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  } else {  // the last place of 0.5 is that of the smallest halves, so the sum is rounded to it
    half = bits_of((sign ? -x : x) + 0.5F) - bits_of(0.5F);
  }
  return static_cast<Half>(sign | half);
}

Packed pack_conv(const FloatWeights& w, int nr) {
  return {pack_floats(w, nr, conv_place(w.in)),
          pack_bias<float>(w, nr, identity),
          w.out,
          w.in,
          w.kh,
          w.kw};
}

PackedCompact pack_classifier(const FloatWeights& w, int nr) {
  return pack_compact(w, nr, conv_place(w.in));
}

PackedCompact pack_winograd(const FloatWeights& w, int nr) {
  return pack_compact(w, nr, winograd_place(w.kh));
}

PackedHalves pack_conv_f16(const FloatWeights& w, int nr, const Factors& factors) {
  return pack_halves(w, nr, factors, conv_place(w.in));
}

PackedHalves pack_winograd_f16(const FloatWeights& w, int nr, const Factors& factors) {
  return pack_halves(w, nr, factors, winograd_place(w.kh));
}

}  // namespace sqz
