// Dense convolution for AArch64, with any kernel size and stride: stem, squeeze, 1x1 expand and
// bypass.
//
// As in ../conv.cpp an item is a tile of kConvMr output pixels, and a call with several items loops
// over the channel blocks outside and the tiles inside. Here a tile's inputs are packed first, once
// for all blocks: its kernel rows become one run, and one load serves four steps.
#include "kernels/f32/aarch64/dense_tile.h"
#include "kernels/f32/kernels.h"
#include "kernels/tiles/dense.h"
#include "kernels/tiles/places.h"
#include "kernels/tiles/store.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// The maximum number of tiles per pass over the channel blocks, and the size of their packed
// inputs, which share the L2 cache with one block of weights. With deeper convolutions fewer tiles
// fit. If not even one tile fits, which no SqueezeNet needs, the inputs are not packed.
constexpr int kGroup = 8;
constexpr ptrdiff_t kPackedFloats = 8 * 1024;

// Packs a run of `count` floats of each pixel as [k][pixel]. Returns the end of the packed run.
SQZ_INLINE float* pack_run(const float* const* x, ptrdiff_t count, float* to) {
  const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  ptrdiff_t k = 0;
  for (; k + kLanes <= count; k += kLanes, to += kLanes * kConvMr) {
    // By name: to clang vst4q_f32 is a macro, of which the commas would make more arguments.
    const float32x4x4_t pixels = {{load(x0 + k), load(x1 + k), load(x2 + k), load(x3 + k)}};
    vst4q_f32(to, pixels);
  }
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
  start_tile_at<kConvMr>(bias, acc);
  const float* x[kConvMr] = {t.x[0], t.x[1], t.x[2], t.x[3]};
  for (int ky = 0; ky < a.kh; ++ky, w += run * kConvNr) {
    multiply_tile<kConvMr>(x, run, w, 0, acc);
    for (int m = 0; m < kConvMr; ++m) x[m] += a.x.row;
  }
  store_tile<kConvMr>(acc, a.relu, kConvMr, kConvNr, y);
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

int64_t conv_f32_items(const ConvArgs& a) { return tiles_of(a); }

void conv_f32(const ConvArgs& a, int64_t begin, int64_t end) {
  const int blocks = ceil_div(a.y.c, kConvNr);
  const ptrdiff_t depth = static_cast<ptrdiff_t>(a.kh) * a.kw * a.x.c;
  alignas(64) float packed[kPackedFloats];
  const ptrdiff_t most = kPackedFloats / (depth * kConvMr);
  const int group = most == 0 ? kGroup : static_cast<int>(min<ptrdiff_t>(most, kGroup));
  for (; begin < end; begin += group) {
    const int tiles = static_cast<int>(min<int64_t>(end - begin, group));
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
