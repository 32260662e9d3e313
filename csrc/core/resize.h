// Converts a decoded photo to the network's input: resizes, crops and, for floats, normalizes it in
// one pass.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/photo.h"
#include "sqz/pixels.h"

namespace sqz {

// The photo is resized to height x width and cropped to the window of the output's size at (top,
// left). Each float of the output is (gray level - mean) * scale, with the mean and scale of its
// channel; bytes are the gray levels themselves.
struct Resize {
  int height, width;
  int top, left;
  bool reverse;  // write BGR instead of RGB
  float mean[3], scale[3];
};

// Rows of floats or of bytes. The pixels of a row are adjacent and have three channels.
struct NetworkInput {
  float* floats;  // null if the output is bytes
  std::uint8_t* bytes;
  int height, width;
  std::ptrdiff_t row;  // stride in values
};

// The gray levels equal those of Pillow's BILINEAR. The window must lie inside the resized photo.
void resize_photo(const PixelKernels& kernels, const Photo& photo, const Resize& resize,
                  const NetworkInput& out);

}  // namespace sqz
