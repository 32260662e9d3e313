// Activations as every kernel sees them: channel-last (NHWC).
#pragma once

#include <stddef.h>

namespace sqz {

// A batch of channel-last float32 images. Strides count floats; channels are always adjacent.
struct View {
  float* data;
  int n, h, w, c;
  ptrdiff_t pixel, row, image;
};

}  // namespace sqz
