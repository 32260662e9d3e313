// Converts a decoded photo to the network's input: resizes, crops and normalizes it in one pass.
#pragma once

#include <cstddef>

#include "core/photo.h"
#include "sqz/pixels.h"

namespace sqz {

// The photo is resized to height x width and cropped to the window of the output's size at (top,
// left). Each output value is (gray level - mean) * scale, with the mean and scale of its output
// channel.
struct Resize {
  int height, width;
  int top, left;
  bool reverse;  // write BGR instead of RGB
  float mean[3], scale[3];
};

// float32 rows. The pixels of a row are adjacent and have three channels.
struct NetworkInput {
  float* data;
  int height, width;
  std::ptrdiff_t row;  // stride in floats
};

// The gray levels equal those of Pillow's BILINEAR. The window must lie inside the resized photo.
void resize_normalize(const PixelKernels& kernels, const Photo& photo, const Resize& resize,
                      const NetworkInput& out);

}  // namespace sqz
