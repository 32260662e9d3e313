// Dense convolution, any kernel size and stride: stem, squeeze, both expands and bypass.
//
// Channel-last makes the taps of one kernel row adjacent in memory, so a convolution is a matrix
// product whose left rows are never copied out: kh runs of kw*c floats starting at the pixel's
// address. One item is a tile of kConvMr output pixels; for each block of kConvNr output
// channels the tile's accumulators stay in registers over the whole sum. A run of items walks
// the pixels inside the channel blocks, so that a block's weights stay in the first cache.
#include "kernels/f32/kernels.h"
#include "kernels/tiles/dense.h"

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

// One tile by kBlocks blocks of output channels, the first of which is `block`.
template <int kBlocks>
void multiply(const ConvArgs& a, const Tile& t, int block) {
  constexpr int kVectors = kBlocks * kConvNv;
  const float* b = a.b + block * kConvNr;
  Vec acc[kConvMr][kVectors];
  SQZ_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const Vec bias = load(b + v * kLanes);
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) acc[m][v] = bias;
  }
  const ptrdiff_t run = static_cast<ptrdiff_t>(a.kw) * a.x.c, next_block = a.kh * run * kConvNr;
  const float* w = a.w + block * next_block;
  for (int ky = 0; ky < a.kh; ++ky) {
    const float* x[kConvMr];
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) x[m] = t.x[m] + ky * a.x.row;
    multiply_tile<kConvMr, kBlocks>(x, run, w, next_block, acc);
    w += run * kConvNr;
  }
  if (a.relu) {
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kVectors; ++v) acc[m][v] = max(acc[m][v], zero());
    }
  }
  float* y[kConvMr];
  SQZ_UNROLL
  for (int m = 0; m < kConvMr; ++m) y[m] = t.y[m] + block * kConvNr;
  const int channels = a.y.c - block * kConvNr;
  if (t.pixels == kConvMr && channels >= kVectors * kLanes) {
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kVectors; ++v) store(y[m] + v * kLanes, acc[m][v]);
    }
    return;
  }
  SQZ_UNROLL
  for (int m = 0; m < kConvMr; ++m) {
    if (m >= t.pixels) break;
    SQZ_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int left = channels - v * kLanes;
      if (left >= kLanes)
        store(y[m] + v * kLanes, acc[m][v]);
      else if (left > 0)
        store_n(y[m] + v * kLanes, acc[m][v], left);
    }
  }
}

// Tiles in flight per pass over the channel blocks: their inputs share the second cache with
// one block of weights.
constexpr int64_t kGroup = 8;

}  // namespace

int64_t conv_f32_items(const ConvArgs& a) {
  const int64_t pixels = static_cast<int64_t>(a.y.n) * a.y.h * a.y.w;
  return (pixels + kConvMr - 1) / kConvMr;
}

void conv_f32(const ConvArgs& a, int64_t begin, int64_t end) {
  const int blocks = (a.y.c + kConvNr - 1) / kConvNr;
  for (; begin < end; begin += kGroup) {
    const int group = static_cast<int>(end - begin < kGroup ? end - begin : kGroup);
    Tile tiles[kGroup];
    for (int g = 0; g < group; ++g) tiles[g] = tile_at(a, begin + g);
    int o = 0;
    for (; o + kConvBlocks <= blocks; o += kConvBlocks)
      for (int g = 0; g < group; ++g) multiply<kConvBlocks>(a, tiles[g], o);
    for (; o < blocks; ++o)
      for (int g = 0; g < group; ++g) multiply<1>(a, tiles[g], o);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
