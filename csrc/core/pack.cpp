#include "core/pack.h"

#include <algorithm>

namespace sqz {
namespace {

// `place(tap, ci)` is the index of a row of nr weights in its block.
template <typename Place>
Packed pack(const float* weight, const float* bias, int out, int in, int kh, int kw, int nr,
            const Place& place) {
  const std::size_t blocks = (static_cast<std::size_t>(out) + nr - 1) / nr;
  const std::size_t taps = static_cast<std::size_t>(kh) * kw, depth = taps * in;
  Packed packed{Array<float>(blocks * depth * nr), Array<float>(blocks * nr), out, in, kh, kw};
  std::copy_n(bias, out, packed.bias.data());
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t rows = std::min<std::size_t>(nr, out - b * nr);
    const float* first = weight + b * nr * depth;
    float* block = packed.weight.data() + b * nr * depth;
    for (std::size_t i = 0; i < static_cast<std::size_t>(in); ++i)
      for (std::size_t t = 0; t < taps; ++t, ++first)
        for (std::size_t row = 0; row < rows; ++row)
          block[place(t, i) * nr + row] = first[row * depth];
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
