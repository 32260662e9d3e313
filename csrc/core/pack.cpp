#include "core/pack.h"

namespace sqz {
namespace {

// `place(tap, ci)` is the index of a row of nr weights in its block.
template <typename Place>
Packed pack(const float* weight, const float* bias, int out, int in, int kh, int kw, int nr,
            const Place& place) {
  const std::size_t blocks = (static_cast<std::size_t>(out) + nr - 1) / nr;
  const std::size_t taps = static_cast<std::size_t>(kh) * kw, depth = taps * in;
  Packed packed{Array<float>(blocks * depth * nr), Array<float>(blocks * nr), out, in, kh, kw};
  float *packed_weight = packed.weight.data(), *packed_bias = packed.bias.data();
  for (std::size_t o = 0; o < static_cast<std::size_t>(out); ++o) {
    packed_bias[o] = bias[o];
    float* block = packed_weight + o / nr * depth * nr + o % nr;
    for (std::size_t i = 0; i < static_cast<std::size_t>(in); ++i)
      for (std::size_t t = 0; t < taps; ++t)
        block[place(t, i) * nr] = weight[(o * in + i) * taps + t];
  }
  return packed;
}

}  // namespace

Packed pack_conv(const float* weight, const float* bias, int out, int in, int kh, int kw, int nr) {
  return pack(weight, bias, out, in, kh, kw, nr,
              [in](std::size_t tap, std::size_t ci) { return tap * in + ci; });
}

Packed pack_winograd(const float* weight, const float* bias, int out, int in, int taps, int nr) {
  return pack(weight, bias, out, in, taps, taps, nr,
              [taps](std::size_t tap, std::size_t ci) { return ci * taps * taps + tap; });
}

}  // namespace sqz
