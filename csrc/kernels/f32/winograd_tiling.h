// How Winograd's algorithm divides the outputs into tiles, and the tiles into blocks that are
// multiplied together.
//
// Tiles have args.tile x args.tile outputs. The last rows and columns of tiles may be small, with two
// outputs fewer, so that they end closer to the edges of the map. So there are groups of tiles of up
// to four shapes. A small tile's points are among those of the others (winograd_transform.h), so all
// groups share the transformed filters. The tiles of a block belong to one group.
#pragma once

#include "kernels/simd/integers.h"
#include "kernels/tuning/tuning.h"
#include "sqz/f32.h"

namespace sqz {
namespace SQZ_ISA {

// The difference of a small tile, in outputs and in points, along each side.
constexpr int kSmaller = 2;

// Tiles or blocks of a group: how many the groups before it have, and how many it has itself. They
// count those of all images.
struct Span {
  int64_t before, count;
};

struct TileGroup {
  int rows, columns;  // of tiles, in each image
  int top, left;      // the first output of the first tile
  int height, width;  // of a tile, in outputs
  Span tiles, blocks;

  // Blocks have at most kConvMr tiles. Blocks and tiles are counted from the group's first ones.
#if defined(SQZ_AARCH64)  // whose products also compute missing tiles
  int64_t first_tile(int64_t block) const {
    return block < blocks.count ? block * kConvMr : tiles.count;
  }
  int64_t block_of(int64_t tile) const { return tile / kConvMr; }
#else
  // The sizes are nearly equal: in a last block of one or two tiles the latency of the few sums
  // would not be hidden.
  int64_t first_tile(int64_t block) const { return block * tiles.count / blocks.count; }
  int64_t block_of(int64_t tile) const { return ((tile + 1) * blocks.count - 1) / tiles.count; }
#endif
  int tiles_in(int64_t block) const {
    return static_cast<int>(first_tile(block + 1) - first_tile(block));
  }
};

// The first output of a tile.
struct Place {
  int64_t n;
  int y, x;
};

SQZ_INLINE Place place_of(const TileGroup& group, int64_t tile) {
  const int64_t row = tile / group.columns;
  return {row / group.rows, group.top + static_cast<int>(row % group.rows) * group.height,
          group.left + static_cast<int>(tile % group.columns) * group.width};
}

struct Tiling {
  TileGroup groups[4];  // of whole tiles, narrow tiles, low tiles, and tiles that are both
  int64_t tiles, blocks, points;  // of all groups
};

SQZ_INLINE Tiling tiling_of(const WinogradArgs& args) {
  const int tile = args.tile, small = args.tile - kSmaller;
  const int rows = ceil_div(args.y.h - args.small_rows * small, tile);
  const int columns = ceil_div(args.y.w - args.small_columns * small, tile);
  Tiling tiling = {};
  for (int i = 0; i < 4; ++i) {
    const bool low = i / 2 == 1, narrow = i % 2 == 1;
    TileGroup& group = tiling.groups[i];
    group.rows = low ? args.small_rows : rows;
    group.columns = narrow ? args.small_columns : columns;
    group.top = low ? rows * tile : 0;
    group.left = narrow ? columns * tile : 0;
    group.height = low ? small : tile;
    group.width = narrow ? small : tile;
    const int64_t tiles = static_cast<int64_t>(args.y.n) * group.rows * group.columns;
    group.tiles = {tiling.tiles, tiles};
    group.blocks = {tiling.blocks, ceil_div<int64_t>(tiles, kConvMr)};
    tiling.tiles += group.tiles.count;
    tiling.blocks += group.blocks.count;
    tiling.points += tiles * (group.height + args.taps - 1) * (group.width + args.taps - 1);
  }
  return tiling;
}

// Calls part(group, first, last) for each group that has some of the tiles or blocks [begin, end).
template <typename Part>
SQZ_INLINE void for_groups(const Tiling& tiling, Span TileGroup::* span, int64_t begin, int64_t end,
                           const Part& part) {
  for (int i = 0; i < 4; ++i) {
    const Span own = tiling.groups[i].*span;
    const int64_t first = begin > own.before ? begin - own.before : 0;
    const int64_t last = min(end - own.before, own.count);
    if (first < last) part(i, first, last);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
