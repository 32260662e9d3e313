// Dense convolution for AArch64, with any kernel size and stride: stem, squeeze, 1x1 expand and
// bypass.
//
// As in ../conv.cpp an item is a tile of kConvMr output pixels, and a call with several items loops
// over the channel blocks outside and the tiles inside. Here a tile's inputs are packed first, once
// for all blocks: its kernel rows become one run, and one load serves four steps.
#include "kernels/f32/aarch64/dense_tile.h"
#include "kernels/f32/kernels.h"
#include "kernels/tiles/dense.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// The maximum number of tiles per pass over the channel blocks, and the size of their packed
// inputs, which share the L2 cache with one block of weights. With deeper convolutions fewer tiles
// fit. If not even one tile fits, which no SqueezeNet needs, the inputs are not packed.
constexpr int kGroup = 8;
constexpr ptrdiff_t kPackedFloats = 8 * 1024;

// The addresses of one tile's inputs and outputs. A tile past the end repeats its last pixel.
struct Tile {
  const float* x[kConvMr];
  float* y[kConvMr];
};

Tile tile_at(const ConvArgs& a, int64_t item) {
  const int64_t plane = static_cast<int64_t>(a.y.h) * a.y.w, total = plane * a.y.n;
  int64_t p = item * kConvMr;
  Tile t;
  const int pixels = static_cast<int>(total - p < kConvMr ? total - p : kConvMr);
  int64_t n = p / plane;
  int oy = static_cast<int>(p % plane / a.y.w), ox = static_cast<int>(p % a.y.w);
  for (int m = 0; m < kConvMr; ++m) {
    t.x[m] = a.x.data + n * a.x.image + oy * a.stride * a.x.row + ox * a.stride * a.x.pixel;
    t.y[m] = a.y.data + n * a.y.image + oy * a.y.row + ox * a.y.pixel;
    if (m + 1 >= pixels) continue;
    if (++ox == a.y.w) {
      ox = 0;
      if (++oy == a.y.h) oy = 0, ++n;
    }
  }
  return t;
}

// Packs a run of `count` floats of each pixel as [k][pixel]. Returns the end of the packed run.
SQZ_INLINE float* pack_run(const float* const* x, ptrdiff_t count, float* to) {
  const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  ptrdiff_t k = 0;
  for (; k + kLanes <= count; k += kLanes, to += kLanes * kConvMr)
    vst4q_f32(to, {{load(x0 + k), load(x1 + k), load(x2 + k), load(x3 + k)}});
  for (; k < count; ++k, to += kConvMr) to[0] = x0[k], to[1] = x1[k], to[2] = x2[k], to[3] = x3[k];
  return to;
}

void pack(const ConvArgs& a, const Tile& t, float* to) {
  const ptrdiff_t run = static_cast<ptrdiff_t>(a.kw) * a.x.c;
  const float* x[kConvMr] = {t.x[0], t.x[1], t.x[2], t.x[3]};
  for (int ky = 0; ky < a.kh; ++ky) {
    to = pack_run(x, run, to);
    for (int m = 0; m < kConvMr; ++m) x[m] += a.x.row;
  }
}

// Computes one tile by one block, from inputs that are not packed: kConvNr outputs per pixel.
SQZ_NOINLINE void multiply_rows(const ConvArgs& a, const Tile& t, const float* w, const float* bias,
                                float* const* y) {
  const ptrdiff_t run = static_cast<ptrdiff_t>(a.kw) * a.x.c;
  Vec acc[kConvMr][kConvNv];
  for (int m = 0; m < kConvMr; ++m)
    for (int v = 0; v < kConvNv; ++v) acc[m][v] = load(bias + v * kLanes);
  const float* x[kConvMr] = {t.x[0], t.x[1], t.x[2], t.x[3]};
  for (int ky = 0; ky < a.kh; ++ky, w += run * kConvNr) {
    multiply_tile<kConvMr>(x, run, w, 0, acc);
    for (int m = 0; m < kConvMr; ++m) x[m] += a.x.row;
  }
  for (int m = 0; m < kConvMr; ++m)
    for (int v = 0; v < kConvNv; ++v)
      store(y[m] + v * kLanes, a.relu ? max(acc[m][v], zero()) : acc[m][v]);
}

// Computes one tile by one block. `packed` is null if the inputs are not packed.
void multiply(const ConvArgs& a, const Tile& t, const float* packed, ptrdiff_t depth, int block) {
  const float *w = a.w + block * depth * kConvNr, *bias = a.b + block * kConvNr;
  const int channels = a.y.c - block * kConvNr;
  float whole[kConvMr * kConvNr];
  float* y[kConvMr];
  for (int m = 0; m < kConvMr; ++m)
    y[m] = channels < kConvNr ? whole + m * kConvNr : t.y[m] + block * kConvNr;
  if (packed)
    multiply_packed(packed, depth, w, bias, a.relu, y);
  else
    multiply_rows(a, t, w, bias, y);
  if (channels >= kConvNr) return;
  for (int m = 0; m < kConvMr; ++m)
    memcpy(t.y[m] + block * kConvNr, y[m], channels * sizeof(float));
}

}  // namespace

int64_t conv_f32_items(const ConvArgs& a) {
  const int64_t pixels = static_cast<int64_t>(a.y.n) * a.y.h * a.y.w;
  return (pixels + kConvMr - 1) / kConvMr;
}

void conv_f32(const ConvArgs& a, int64_t begin, int64_t end) {
  const int blocks = (a.y.c + kConvNr - 1) / kConvNr;
  const ptrdiff_t depth = static_cast<ptrdiff_t>(a.kh) * a.kw * a.x.c;
  alignas(64) float packed[kPackedFloats];
  const ptrdiff_t most = kPackedFloats / (depth * kConvMr);
  const int group = most == 0 || most > kGroup ? kGroup : static_cast<int>(most);
  for (; begin < end; begin += group) {
    const int tiles = static_cast<int>(end - begin < group ? end - begin : group);
    Tile at[kGroup];
    const float* inputs[kGroup] = {};
    for (int g = 0; g < tiles; ++g) {
      at[g] = tile_at(a, begin + g);
      if (most == 0) continue;
      pack(a, at[g], packed + g * depth * kConvMr);
      inputs[g] = packed + g * depth * kConvMr;
    }
    for (int block = 0; block < blocks; ++block)
      for (int g = 0; g < tiles; ++g) multiply(a, at[g], inputs[g], depth, block);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
