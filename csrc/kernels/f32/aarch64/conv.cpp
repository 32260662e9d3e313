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
// inputs, which share the L2 cache with one block of weights and lie on the stack. With deeper
// convolutions fewer tiles fit. If not even one tile fits, which no SqueezeNet needs, the inputs are
// not packed.
constexpr int kGroup = 8;
constexpr ptrdiff_t kPackedFloats = 7 * 1024;

// Packs a run of `count` floats of each pixel as [k][pixel]. Returns the end of the packed run.
SQZ_INLINE float* pack_run(const float* const* x, ptrdiff_t count, float* to) {
  const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  ptrdiff_t k = 0;
  for (; k + kLanes <= count; k += kLanes, to += kLanes * kConvMr) {
    // A named variable, because clang's vst4q_f32 is a macro: commas would separate its arguments.
    const float32x4x4_t pixels = {{load(x0 + k), load(x1 + k), load(x2 + k), load(x3 + k)}};
    vst4q_f32(to, pixels);
  }
  for (; k < count; ++k, to += kConvMr) to[0] = x0[k], to[1] = x1[k], to[2] = x2[k], to[3] = x3[k];
  return to;
}

void pack(const ConvArgs& args, const Tile& tile, float* to) {
  const ptrdiff_t run = static_cast<ptrdiff_t>(args.kw) * args.x.c;
  const float* x[kConvMr] = {tile.x[0], tile.x[1], tile.x[2], tile.x[3]};
  for (int ky = 0; ky < args.kh; ++ky) {
    to = pack_run(x, run, to);
    for (int m = 0; m < kConvMr; ++m) x[m] += args.x.row;
  }
}

// Computes one tile by one block, from inputs that are not packed: kConvNr outputs per pixel.
SQZ_NOINLINE void multiply_rows(const ConvArgs& args, const Tile& tile, const float* w,
                                const float* bias, float* const* y) {
  const ptrdiff_t run = static_cast<ptrdiff_t>(args.kw) * args.x.c;
  Vec acc[kConvMr][kConvNv];
  start_tile_at<kConvMr>(bias, acc);
  const float* x[kConvMr] = {tile.x[0], tile.x[1], tile.x[2], tile.x[3]};
  for (int ky = 0; ky < args.kh; ++ky, w += run * kConvNr) {
    multiply_tile<kConvMr>(x, run, w, 0, acc);
    for (int m = 0; m < kConvMr; ++m) x[m] += args.x.row;
  }
  store_tile<kConvMr>(acc, args.relu, kConvMr, kConvNr, y);
}

// Computes one tile by one block. `packed` is null if the inputs are not packed.
void multiply(const ConvArgs& args, const Tile& tile, const float* packed, ptrdiff_t depth,
              int block) {
  const float *w = args.w + block * depth * kConvNr, *bias = args.b + block * kConvNr;
  const int channels = args.y.c - block * kConvNr;
  float whole[kConvMr * kConvNr];
  float* y[kConvMr];
  for (int m = 0; m < kConvMr; ++m)
    y[m] = channels < kConvNr ? whole + m * kConvNr : tile.y[m] + block * kConvNr;
  if (packed)
    multiply_packed(packed, depth, w, bias, args.relu, y);
  else
    multiply_rows(args, tile, w, bias, y);
  if (channels >= kConvNr) return;
  for (int m = 0; m < kConvMr; ++m)
    memcpy(tile.y[m] + block * kConvNr, y[m], channels * sizeof(float));
}

}  // namespace

int64_t conv_f32_items(const ConvArgs& args) { return tiles_of(args); }

void conv_f32(const ConvArgs& args, int64_t begin, int64_t end) {
  const int blocks = ceil_div(args.y.c, kConvNr);
  const ptrdiff_t depth = static_cast<ptrdiff_t>(args.kh) * args.kw * args.x.c;
  alignas(64) float packed[kPackedFloats];
  const ptrdiff_t most = kPackedFloats / (depth * kConvMr);
  const int group = most == 0 ? kGroup : static_cast<int>(min<ptrdiff_t>(most, kGroup));
  for (; begin < end; begin += group) {
    const int tiles = static_cast<int>(min<int64_t>(end - begin, group));
    Tile at[kGroup];
    const float* inputs[kGroup] = {};
    for (int tile = 0; tile < tiles; ++tile) {
      at[tile] = tile_at(args, begin + tile);
      if (most == 0) continue;
      pack(args, at[tile], packed + tile * depth * kConvMr);
      inputs[tile] = packed + tile * depth * kConvMr;
    }
    for (int block = 0; block < blocks; ++block)
      for (int tile = 0; tile < tiles; ++tile) multiply(args, at[tile], inputs[tile], depth, block);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
