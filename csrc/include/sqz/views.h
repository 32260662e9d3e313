// The view of activations that all kernels use: channels last (NHWC).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sqz {

// A batch of images, channels last. Strides are in values. Channels are always adjacent.
template <typename T>
struct MapView {
  T* data;
  int n, h, w, c;
  ptrdiff_t pixel, row, image;
};

using View = MapView<float>;
using ByteView = MapView<uint8_t>;

using Half = uint16_t;  // the bits of a half-precision number
using HalfView = MapView<Half>;

}  // namespace sqz
