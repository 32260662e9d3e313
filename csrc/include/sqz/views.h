// The view of activations that all kernels use: channels last (NHWC).
#pragma once

#include <stddef.h>

namespace sqz {

// A batch of float32 images, channels last. Strides are in floats. Channels are always adjacent.
struct View {
  float* data;
  int n, h, w, c;
  ptrdiff_t pixel, row, image;
};

}  // namespace sqz
