// The addresses of the inputs and outputs of a tile.
#pragma once

#include "kernels/simd/integers.h"
#include "kernels/tuning/tuning.h"
#include "sqz/f32.h"

namespace sqz {
namespace SQZ_ISA {

SQZ_INLINE int64_t pixels_per_image(const View& v) { return static_cast<int64_t>(v.h) * v.w; }

// Pixel `p` of image `n`, counted row by row.
SQZ_INLINE float* pixel_at(const View& v, int64_t n, int64_t p) {
  return v.data + n * v.image + p / v.w * v.row + p % v.w * v.pixel;
}

// A register tile of a convolution. A tile past the end repeats its last pixel and stores it once,
// so that the inner loop needs no special cases.
struct Tile {
  const float* x[kConvMr];
  float* y[kConvMr];
  int pixels;
};

SQZ_INLINE int64_t tiles_of(const ConvArgs& a) {
  return ceil_div<int64_t>(a.y.n * pixels_per_image(a.y), kConvMr);
}

SQZ_INLINE Tile tile_at(const ConvArgs& a, int64_t item) {
  const int64_t plane = pixels_per_image(a.y), first = item * kConvMr;
  int64_t n = first / plane;
  int row = static_cast<int>(first % plane / a.y.w), column = static_cast<int>(first % a.y.w);
  Tile t;
  t.pixels = static_cast<int>(min<int64_t>(plane * a.y.n - first, kConvMr));
  for (int m = 0; m < kConvMr; ++m) {
    t.x[m] = a.x.data + n * a.x.image + row * a.stride * a.x.row + column * a.stride * a.x.pixel;
    t.y[m] = a.y.data + n * a.y.image + row * a.y.row + column * a.y.pixel;
    if (m + 1 >= t.pixels) continue;
    if (++column == a.y.w) {
      column = 0;
      if (++row == a.y.h) row = 0, ++n;
    }
  }
  return t;
}

}  // namespace SQZ_ISA
}  // namespace sqz
