// From a decoded photo to the network's input: resize, crop and normalize in one pass.
#pragma once

#include <cstddef>

#include "core/photo.h"
#include "sqz/pixels.h"

namespace sqz {

// The photo is resized to height x width, and the window of the output's size at (top, left) is
// taken: (gray level - mean) * scale, channel by channel of the output.
struct Resize {
  int height, width;
  int top, left;
  bool reverse;  // BGR for RGB
  float mean[3], scale[3];
};

// float32 rows of adjacent pixels of three channels.
struct NetworkInput {
  float* data;
  int height, width;
  std::ptrdiff_t row;  // floats
};

// The same gray levels as Pillow's BILINEAR. The window must lie inside the resized photo.
void resize_normalize(const PixelKernels& kernels, const Photo& photo, const Resize& resize,
                      const NetworkInput& out);

}  // namespace sqz
