// Dense convolution with any kernel size and stride: stem, squeeze, both expands and bypass.
//
// In channel-last layout the taps of one kernel row are adjacent in memory. So a convolution is a
// matrix product whose left rows need not be copied: kh runs of kw*c floats, starting at the
// pixel's address. An item is a tile of kConvMr output pixels. For each block of kConvNr output
// channels the tile's accumulators stay in registers during the whole sum. A call with several
// items loops over the channel blocks outside and the tiles inside, so that a block's weights stay
// in the L1 cache.
#include "kernels/f32/kernels.h"
#include "kernels/tiles/dense.h"
#include "kernels/tiles/places.h"
#include "kernels/tiles/store.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

using Tile = PixelTile<float, kConvMr>;

// Computes one tile by kBlocks blocks of output channels, from `block` on.
template <int kBlocks>
void multiply(const ConvArgs& args, const Tile& t, int block) {
  constexpr int kVectors = kBlocks * kConvNv;
  Vec acc[kConvMr][kVectors];
  start_tile_at<kConvMr>(args.b + block * kConvNr, acc);
  const ptrdiff_t run = static_cast<ptrdiff_t>(args.kw) * args.x.c,
                  next_block = args.kh * run * kConvNr;
  const float* w = args.w + block * next_block;
  for (int ky = 0; ky < args.kh; ++ky) {
    const float* x[kConvMr];
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) x[m] = t.x[m] + ky * args.x.row;
    multiply_tile<kConvMr, kBlocks>(x, run, w, next_block, acc);
    w += run * kConvNr;
  }
  float* y[kConvMr];
  SQZ_UNROLL
  for (int m = 0; m < kConvMr; ++m) y[m] = t.y[m] + block * kConvNr;
  store_tile<kConvMr>(acc, args.relu, t.pixels, args.y.c - block * kConvNr, y);
}

// Number of tiles per pass over the channel blocks. Their inputs share the L2 cache with one block
// of weights.
constexpr int64_t kGroup = 8;

}  // namespace

int64_t conv_f32_items(const ConvArgs& args) { return tiles_of<kConvMr>(args); }

void conv_f32(const ConvArgs& args, int64_t begin, int64_t end) {
  const int blocks = ceil_div(args.y.c, kConvNr);
  for (; begin < end; begin += kGroup) {
    const int group = static_cast<int>(min(end - begin, kGroup));
    Tile tiles[kGroup];
    for (int g = 0; g < group; ++g)
      tiles[g] = tile_from<float, kConvMr>(args, (begin + g) * kConvMr);
    int o = 0;
    for (; o + kConvBlocks <= blocks; o += kConvBlocks)
      for (int g = 0; g < group; ++g) multiply<kConvBlocks>(args, tiles[g], o);
    for (; o < blocks; ++o)
      for (int g = 0; g < group; ++g) multiply<1>(args, tiles[g], o);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
