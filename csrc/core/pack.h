// Packs weights into the order in which the convolution kernels read them.
#pragma once

#include <cstdint>

#include "core/buffer.h"
#include "sqz/views.h"

namespace sqz {

template <typename T>
struct PackedOf {
  // [ceil(out / nr)][ky][kx][ci][nr], padded with zeros if out is not a multiple of nr
  Array<T> weight;
  Array<T> bias;  // ceil(out / nr) * nr
  int out = 0, in = 0, kh = 0, kw = 0;
};
using Packed = PackedOf<float>;
using PackedHalves = PackedOf<Half>;

// `weight` is out x in x kh x kw, `bias` is out; float32.
Packed pack_conv(const float* weight, const float* bias, int out, int in, int kh, int kw, int nr);

// The same for Winograd's algorithm. The packed weight is [ceil(out / nr)][ci][ky][kx][nr].
Packed pack_winograd(const float* weight, const float* bias, int out, int in, int taps, int nr);

// The nearest half-precision number, the even one of two; infinity from 65520 on.
Half to_half(float x);

// The same in half precision. Weights and biases are first multiplied by their factors.
struct FloatWeights {
  const float *weight, *bias;
  int out, in, kh, kw;
};
struct Factors {
  float weight = 1.0F, bias = 1.0F;
};
PackedHalves pack_conv_f16(const FloatWeights& w, int nr, const Factors& factors = {});
PackedHalves pack_winograd_f16(const FloatWeights& w, int nr, const Factors& factors = {});

}  // namespace sqz
