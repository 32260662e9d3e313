// The addresses of the inputs and outputs of a tile.
#pragma once

#include <stdint.h>

#include "kernels/simd/integers.h"
#include "sqz/views.h"

namespace sqz {
namespace SQZ_ISA {

template <typename T>
SQZ_INLINE int64_t pixels_per_image(const MapView<T>& v) {
  return static_cast<int64_t>(v.h) * v.w;
}

// Pixel `p` of image `n`, counted row by row.
template <typename T>
SQZ_INLINE T* pixel_at(const MapView<T>& v, int64_t n, int64_t p) {
  return v.data + n * v.image + p / v.w * v.row + p % v.w * v.pixel;
}

// A register tile of a convolution: kPixels output pixels. A tile past the end repeats its last pixel
// and stores it once, so that the inner loop needs no special cases.
template <typename T, int kPixels>
struct PixelTile {
  const T* x[kPixels];
  T* y[kPixels];
  int pixels;
};

template <int kPixels, typename Args>
SQZ_INLINE int64_t tiles_of(const Args& a) {
  return ceil_div<int64_t>(a.y.n * pixels_per_image(a.y), kPixels);
}

// A place in a map, and the number of pixels from there on, over all images.
struct PixelPlace {
  int64_t n;
  int row, column;
  int64_t left;
};

// Pixel `first` of all images.
template <typename T>
SQZ_INLINE PixelPlace place_at(const MapView<T>& y, int64_t first) {
  const int64_t plane = pixels_per_image(y);
  return {first / plane, static_cast<int>(first % plane / y.w), static_cast<int>(first % y.w),
          plane * y.n - first};
}

// The tile from a place on, which is moved behind it. Divisions would take longer than all else here.
template <typename T, int kPixels, typename Args>
SQZ_INLINE PixelTile<T, kPixels> next_tile(const Args& a, PixelPlace& place) {
  int64_t n = place.n;
  int row = place.row, column = place.column;
  PixelTile<T, kPixels> t;
  t.pixels = static_cast<int>(min<int64_t>(place.left, kPixels));
  place.left -= kPixels;
  for (place.column += kPixels; place.column >= a.y.w; place.column -= a.y.w)
    if (++place.row == a.y.h) place.row = 0, ++place.n;
  const T* x = a.x.data + n * a.x.image + row * a.stride * a.x.row + column * a.stride * a.x.pixel;
  T* y = a.y.data + n * a.y.image + row * a.y.row + column * a.y.pixel;
  if (t.pixels == kPixels && column + kPixels <= a.y.w) {  // in one row
    for (int m = 0; m < kPixels; ++m, x += a.stride * a.x.pixel, y += a.y.pixel)
      t.x[m] = x, t.y[m] = y;
    return t;
  }
  for (int m = 0; m < kPixels; ++m) {
    t.x[m] = x, t.y[m] = y;
    if (m + 1 >= t.pixels) continue;
    x += a.stride * a.x.pixel, y += a.y.pixel;
    if (++column == a.y.w) {
      column = 0;
      if (++row == a.y.h) row = 0, ++n;
      x = a.x.data + n * a.x.image + row * a.stride * a.x.row;
      y = a.y.data + n * a.y.image + row * a.y.row;
    }
  }
  return t;
}

// The tile whose first pixel has index `first`, counted over all images.
template <typename T, int kPixels, typename Args>
SQZ_INLINE PixelTile<T, kPixels> tile_from(const Args& a, int64_t first) {
  PixelPlace place = place_at(a.y, first);
  return next_tile<T, kPixels>(a, place);
}

}  // namespace SQZ_ISA
}  // namespace sqz
