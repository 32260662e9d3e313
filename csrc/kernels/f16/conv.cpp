// Dense convolution in half precision, with any kernel size and stride: stem, squeeze, 1x1 expand and
// bypass.
//
// An item is a tile of kTilePixels output pixels. As in f32/conv.cpp, a call with several items loops
// over the channel blocks outside and the tiles inside, so that a block's weights stay in the L1
// cache. The channels of a 1x1 convolution are read in place if they are whole registers. Other
// inputs are first copied, the runs of each pixel one after another.
#include "kernels/f16/kernels.h"
#include "kernels/f16/tile.h"
#include "kernels/tiles/places.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

using Tile = PixelTile<Half, kTilePixels>;

constexpr int kItems = 4;  // tiles per pass over the channel blocks

// The inputs of a pixel: `rows` runs, `stride` halves apart, of `count` halves.
struct Runs {
  int rows, count;
  ptrdiff_t stride;
};

SQZ_INLINE Runs runs_of(const HalfConvArgs& args) {
  return {args.kh, args.kw * args.x.c, args.x.row};
}

SQZ_INLINE bool in_place(const Runs& runs) { return runs.rows == 1 && runs.count % kLanes == 0; }

SQZ_INLINE ptrdiff_t depth_of(const Runs& runs) {
  return static_cast<ptrdiff_t>(runs.rows) * runs.count;
}

// The halves of a pixel's copied runs. The copy of a run may write up to two registers after it.
SQZ_INLINE ptrdiff_t joined_size(const Runs& runs) {
  return ceil_div<ptrdiff_t>(depth_of(runs), kLanes) * kLanes + 2 * kLanes;
}

// Copies the runs of a pixel, one after another. `end` is the end of the whole input.
SQZ_INLINE void join_runs(const Runs& runs, const Half* x, const Half* end, Half* to) {
  for (int row = 0; row < runs.rows; ++row, x += runs.stride, to += runs.count) {
    if (end - x < runs.count + 2 * kLanes) {
      for (int i = 0; i < runs.count; ++i) to[i] = x[i];
      continue;
    }
    int i = 0;
    do {  // the next run overwrites what is copied after this one
      const Vec low = load(x + i), high = load(x + i + kLanes);
      store(to + i, low);
      store(to + i + kLanes, high);
      i += 2 * kLanes;
    } while (i < runs.count);
  }
}

SQZ_INLINE const Half* end_of(const HalfView& v) {
  return v.data + (v.n - 1) * v.image + (v.h - 1) * v.row + (v.w - 1) * v.pixel + v.c;
}

struct Inputs {
  const Half* x[kTilePixels];
};

// Computes the channels [first, first + kConvNr) of whole tiles.
SQZ_NOINLINE void multiply_whole(const HalfConvArgs& args, const Tile* tiles, const Inputs* inputs,
                                 int count, ptrdiff_t depth, int first) {
  const Half *w = args.w + first * depth, *bias = args.b + first;
  for (int i = 0; i < count; ++i)
    multiply_rows(inputs[i].x, depth, w, bias, args.relu, tiles[i].y, first);
}

// The same for a tile that may lack pixels or channels.
SQZ_NOINLINE void multiply_part(const HalfConvArgs& args, const Tile& tile, const Inputs& inputs,
                                ptrdiff_t depth, int first) {
  Half whole[kTilePixels][kConvNr];
  Half* y[kTilePixels];
  for (int m = 0; m < kTilePixels; ++m) y[m] = whole[m];
  multiply_rows(inputs.x, depth, args.w + first * depth, args.b + first, args.relu, y, 0);
  const int channels = min(kConvNr, args.y.c - first);
  for (int m = 0; m < tile.pixels; ++m)
    memcpy(tile.y[m] + first, whole[m], channels * sizeof(Half));
}

}  // namespace

int64_t conv_f16_scratch(const HalfConvArgs& args) {
  const Runs runs = runs_of(args);
  if (in_place(runs)) return 0;
  return kItems * kTilePixels * joined_size(runs) * static_cast<int64_t>(sizeof(Half));
}

int64_t conv_f16_items(const HalfConvArgs& args) { return tiles_of<kTilePixels>(args); }

void conv_f16(const HalfConvArgs& args, int64_t begin, int64_t end, void* scratch) {
  const Runs runs = runs_of(args);
  const ptrdiff_t depth = depth_of(runs);
  const bool copied = !in_place(runs);
  const Half* const input_end = end_of(args.x);
  for (; begin < end; begin += kItems) {
    const int items = static_cast<int>(min<int64_t>(end - begin, kItems));
    Tile tiles[kItems];
    Inputs inputs[kItems];
    Half* joined = static_cast<Half*>(scratch);
    for (int i = 0; i < items; ++i) {
      tiles[i] = tile_from<Half, kTilePixels>(args, (begin + i) * kTilePixels);
      for (int m = 0; m < kTilePixels; ++m) {
        inputs[i].x[m] = tiles[i].x[m];
        if (!copied) continue;
        join_runs(runs, tiles[i].x[m], input_end, joined);
        inputs[i].x[m] = joined;
        joined += joined_size(runs);
      }
    }
    const int whole = items - (tiles[items - 1].pixels < kTilePixels);
    for (int first = 0; first < args.y.c; first += kConvNr) {
      const int done = first + kConvNr > args.y.c ? 0 : whole;
      multiply_whole(args, tiles, inputs, done, depth, first);
      for (int i = done; i < items; ++i) multiply_part(args, tiles[i], inputs[i], depth, first);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
