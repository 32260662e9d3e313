// Packs weights into the order in which the convolution kernels read them.
#pragma once

#include "core/buffer.h"

namespace sqz {

struct Packed {
  // [ceil(out / nr)][ky][kx][ci][nr], padded with zeros if out is not a multiple of nr
  Array<float> weight;
  Array<float> bias;  // ceil(out / nr) * nr
  int out = 0, in = 0, kh = 0, kw = 0;
};

// `weight` is out x in x kh x kw, `bias` is out; float32.
Packed pack_conv(const float* weight, const float* bias, int out, int in, int kh, int kw, int nr);

// The same for Winograd's algorithm. The packed weight is [ceil(out / nr)][ci][ky][kx][nr].
Packed pack_winograd(const float* weight, const float* bias, int out, int in, int taps, int nr);

}  // namespace sqz
