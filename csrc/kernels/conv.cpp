// Dense convolution, any kernel size and stride: stem, squeeze, both expands and bypass.
//
// Channel-last makes the taps of one kernel row adjacent in memory, so a convolution is a matrix
// product whose left rows are never copied out: kh runs of kw*c floats starting at the pixel's
// address. One item is a tile of kConvMr output pixels; for each block of kConvNr output
// channels the tile's accumulators stay in registers over the whole sum. A run of items walks
// the pixels inside the channel blocks, so that a block's weights stay in the first cache.
#include "tile.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// Where the pixels of one tile are read and written. A tile past the end repeats its last pixel
// and stores it once, which keeps the inner loop free of special cases.
struct Tile {
  const float* x[kConvMr];
  float* y[kConvMr];
  int pixels;
};

Tile tile_at(const ConvArgs& a, int64_t item) {
  const int64_t plane = static_cast<int64_t>(a.y.h) * a.y.w, total = plane * a.y.n;
  int64_t p = item * kConvMr;
  Tile t;
  t.pixels = static_cast<int>(total - p < kConvMr ? total - p : kConvMr);
  int64_t n = p / plane;
  int oy = static_cast<int>(p % plane / a.y.w), ox = static_cast<int>(p % a.y.w);
  for (int m = 0; m < kConvMr; ++m) {
    t.x[m] = a.x.data + n * a.x.image + oy * a.stride * a.x.row + ox * a.stride * a.x.pixel;
    t.y[m] = a.y.data + n * a.y.image + oy * a.y.row + ox * a.y.pixel;
    if (m + 1 >= t.pixels) continue;
    if (++ox == a.y.w) {
      ox = 0;
      if (++oy == a.y.h) oy = 0, ++n;
    }
  }
  return t;
}

SQZ_INLINE void multiply(const ConvArgs& a, const Tile& t, const float* w, const float* b,
                         int channels) {
  Vec acc[kConvMr][kConvNv];
  SQZ_UNROLL
  for (int v = 0; v < kConvNv; ++v) {
    const Vec bias = load(b + v * kLanes);
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) acc[m][v] = bias;
  }
  const ptrdiff_t run = static_cast<ptrdiff_t>(a.kw) * a.x.c;
  for (int ky = 0; ky < a.kh; ++ky) {
    const float* x[kConvMr];
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) x[m] = t.x[m] + ky * a.x.row;
    multiply_tile<kConvMr>(x, run, w, acc);
    w += run * kConvNr;
  }
  if (a.relu) {
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) acc[m][v] = max(acc[m][v], zero());
    }
  }
  SQZ_UNROLL
  for (int m = 0; m < kConvMr; ++m) {
    if (m >= t.pixels) break;
    if (channels >= kConvNr) {
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) store(t.y[m] + v * kLanes, acc[m][v]);
      continue;
    }
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) {
      const int left = channels - v * kLanes;
      if (left >= kLanes)
        store(t.y[m] + v * kLanes, acc[m][v]);
      else if (left > 0)
        store_n(t.y[m] + v * kLanes, acc[m][v], left);
    }
  }
}

// Tiles in flight per pass over the channel blocks: their inputs share the second cache with
// one block of weights.
constexpr int64_t kGroup = 8;

}  // namespace

int64_t conv_items(const ConvArgs& a) {
  const int64_t pixels = static_cast<int64_t>(a.y.n) * a.y.h * a.y.w;
  return (pixels + kConvMr - 1) / kConvMr;
}

void conv_f32(const ConvArgs& a, int64_t begin, int64_t end) {
  const int blocks = (a.y.c + kConvNr - 1) / kConvNr;
  const ptrdiff_t block = static_cast<ptrdiff_t>(a.kh) * a.kw * a.x.c * kConvNr;
  for (; begin < end; begin += kGroup) {
    const int group = static_cast<int>(end - begin < kGroup ? end - begin : kGroup);
    Tile tiles[kGroup];
    for (int g = 0; g < group; ++g) tiles[g] = tile_at(a, begin + g);
    for (int o = 0; o < blocks; ++o) {
      for (int g = 0; g < group; ++g) {
        Tile t = tiles[g];
        for (int m = 0; m < kConvMr; ++m) t.y[m] += o * kConvNr;
        multiply(a, t, a.w + o * block, a.b + o * kConvNr, a.y.c - o * kConvNr);
      }
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
