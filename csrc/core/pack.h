// Packs weights into the order in which the convolution kernels read them.
#pragma once

#include <cstdint>

#include "core/buffer.h"
#include "sqz/f32.h"

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

// Packed weights for kernels that read floats or halves. They are halves if every weight is a
// half-precision number, as in files that hold such: half the memory, and the same products. The
// other array is empty.
struct PackedCompact {
  Array<float> floats;
  Array<Half> halves;
  Array<float> bias;
  int out = 0, in = 0, kh = 0, kw = 0;

  Weights weights() const { return {floats.data(), halves.data()}; }
};

// `weight` is out x in x kh x kw, `bias` is out; float32.
struct FloatWeights {
  const float *weight, *bias;
  int out, in, kh, kw;
};
Packed pack_conv(const FloatWeights& w, int nr);
PackedCompact pack_classifier(const FloatWeights& w, int nr);

// The same for Winograd's algorithm. The packed weight is [ceil(out / nr)][ci][ky][kx][nr].
PackedCompact pack_winograd(const FloatWeights& w, int nr);

// The nearest half-precision number, the even one of two; infinity from 65520 on.
Half to_half(float x);

// The same in half precision. Weights and biases are first multiplied by their factors.
struct Factors {
  float weight = 1.0F, bias = 1.0F;
};
PackedHalves pack_conv_f16(const FloatWeights& w, int nr, const Factors& factors = {});
PackedHalves pack_winograd_f16(const FloatWeights& w, int nr, const Factors& factors = {});

}  // namespace sqz
