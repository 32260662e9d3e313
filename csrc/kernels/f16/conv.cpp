// Dense convolution in half precision, with any kernel size and stride: stem, squeeze, 1x1 expand and
// bypass.
//
// An item is a tile of kTilePixels output pixels. As in f32/conv.cpp, a call with several items loops
// over the channel blocks outside and the tiles inside, so that a block's weights stay in the L1
// cache. The channels of a 1x1 convolution are read in place if they are whole registers. Other
// inputs are first copied, the runs of each pixel one after another.
#include "kernels/f16/kernels.h"
#include "kernels/f16/overflow.h"
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

SQZ_INLINE void copy_halves(const Half* from, ptrdiff_t count, Half* to) {
  for (ptrdiff_t i = 0; i < count; ++i) to[i] = from[i];
}

// Copies the runs of a pixel, one after another. Copies two registers at a time, which may reach past
// a run: the next run overwrites what is written after it.
SQZ_INLINE void join_runs(const Runs& runs, const Half* x, Half* to) {
  SQZ_UNROLL
  for (int row = 0; row < runs.rows; ++row, x += runs.stride, to += runs.count) {
    for (int i = 0; i < runs.count; i += 2 * kLanes) {
      const Vec low = load(x + i), high = load(x + i + kLanes);
      store(to + i, low);
      store(to + i + kLanes, high);
    }
  }
}

// The same for each pixel of a tile, which then reads the copy.
SQZ_INLINE void join_pixels(const Runs& runs, Half* to, Tile* tile) {
  const ptrdiff_t size = joined_size(runs);
  for (int m = 0; m < kTilePixels; ++m, to += size) {
    join_runs(runs, tile->x[m], to);
    tile->x[m] = to;
  }
}

// Copies the inputs of a tile's pixels. `end` is the end of the whole input.
SQZ_NOINLINE void join_tile(const Runs& runs, const Half* end, Half* to, Tile* tile) {
  const ptrdiff_t reach = (runs.rows - 1) * runs.stride + runs.count + 2 * kLanes;
  if (end - tile->x[kTilePixels - 1] < reach) {
    for (int m = 0; m < kTilePixels; ++m, to += joined_size(runs)) {
      for (int row = 0; row < runs.rows; ++row)
        copy_halves(tile->x[m] + row * runs.stride, runs.count, to + row * runs.count);
      tile->x[m] = to;
    }
  } else if (runs.rows == 3 &&
             runs.count == 9) {  // 3x3 of an RGB image: constants unroll the loops
    join_pixels({3, 9, runs.stride}, to, tile);
  } else {
    join_pixels(runs, to, tile);
  }
}

SQZ_INLINE const Half* end_of(const HalfView& v) {
  return v.data + (v.n - 1) * v.image + (v.h - 1) * v.row + (v.w - 1) * v.pixel + v.c;
}

// Computes the channels [first, first + kConvNr) of whole tiles.
SQZ_NOINLINE void multiply_whole(const HalfConvArgs& args, bool checked, const Tile* tiles,
                                 int count, ptrdiff_t depth, int first) {
  const Half *w = args.w + first * depth, *bias = args.b + first;
  for (int i = 0; i < count; ++i)
    multiply_rows(tiles[i].x, depth, w, bias, args.relu, checked, tiles[i].y, first);
}

// The same for a tile that may lack pixels or channels.
SQZ_NOINLINE void multiply_part(const HalfConvArgs& args, bool checked, const Tile& tile,
                                ptrdiff_t depth, int first) {
  const Half *w = args.w + first * depth, *bias = args.b + first;
  Half whole[kTilePixels][kConvNr];
  if (tile.pixels == 1) {
    multiply_row(tile.x[0], depth, w, bias, args.relu, checked, whole[0]);
  } else {
    Half* y[kTilePixels];
    for (int m = 0; m < kTilePixels; ++m) y[m] = whole[m];
    multiply_rows(tile.x, depth, w, bias, args.relu, checked, y, 0);
  }
  const int channels = min(kConvNr, args.y.c - first);
  for (int m = 0; m < tile.pixels; ++m)
    memcpy(tile.y[m] + first, whole[m], channels * sizeof(Half));
}

SQZ_NOINLINE void convolve(const HalfConvArgs& args, bool checked, int64_t begin, int64_t end,
                           Half* scratch) {
  const Runs runs = runs_of(args);
  const ptrdiff_t depth = depth_of(runs);
  const bool copied = !in_place(runs);
  const Half* const input_end = end_of(args.x);
  for (; begin < end; begin += kItems) {
    const int items = static_cast<int>(min<int64_t>(end - begin, kItems));
    Tile tiles[kItems];
    for (int i = 0; i < items; ++i) {
      tiles[i] = tile_from<Half, kTilePixels>(args, (begin + i) * kTilePixels);
      if (copied)
        join_tile(runs, input_end, scratch + i * kTilePixels * joined_size(runs), &tiles[i]);
    }
    const int whole = items - (tiles[items - 1].pixels < kTilePixels);
    for (int first = 0; first < args.y.c; first += kConvNr) {
      const int done = first + kConvNr > args.y.c ? 0 : whole;
      multiply_whole(args, checked, tiles, done, depth, first);
      for (int i = done; i < items; ++i) multiply_part(args, checked, tiles[i], depth, first);
    }
  }
}

}  // namespace

int64_t conv_f16_scratch(const HalfConvArgs& args) {
  const Runs runs = runs_of(args);
  if (in_place(runs)) return 0;
  return kItems * kTilePixels * joined_size(runs) * static_cast<int64_t>(sizeof(Half));
}

int64_t conv_f16_items(const HalfConvArgs& args) { return tiles_of<kTilePixels>(args); }

void conv_f16(const HalfConvArgs& args, int64_t begin, int64_t end, void* scratch) {
  compute_checked(
      [&](bool checked) { convolve(args, checked, begin, end, static_cast<Half*>(scratch)); });
}

}  // namespace SQZ_ISA
}  // namespace sqz
