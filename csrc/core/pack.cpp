#include "core/pack.h"

namespace sqz {

Packed pack_conv(const float* weight, const float* bias, int out, int in, int kh, int kw, int nr) {
  const std::size_t blocks = (static_cast<std::size_t>(out) + nr - 1) / nr;
  const std::size_t taps = static_cast<std::size_t>(kh) * kw, depth = taps * in;
  Packed p{Buffer(blocks * depth * nr), Buffer(blocks * nr), out, in, kh, kw};
  float *w = p.weight.data(), *b = p.bias.data();
  for (std::size_t o = 0; o < static_cast<std::size_t>(out); ++o) {
    const std::size_t block = o / nr, lane = o % nr;
    b[o] = bias[o];
    for (std::size_t t = 0; t < taps; ++t)
      for (std::size_t i = 0; i < static_cast<std::size_t>(in); ++i)
        w[(block * depth + t * in + i) * nr + lane] = weight[(o * in + i) * taps + t];
  }
  return p;
}

}  // namespace sqz
