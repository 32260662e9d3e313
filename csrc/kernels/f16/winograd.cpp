// Stride-1 convolution, bias and ReLU in half precision by Winograd's algorithm with 6 x 6 points, as
// in f32/winograd.cpp: the expand 3x3 with 4 x 4 outputs a tile, and the 7x7 stem, whose stride has
// been removed by rearranging its input, with 3 x 3.
//
// More points would need fewer products, but with 8 x 8 the error is ten times as large.
#include "kernels/f16/kernels.h"
#include "kernels/f16/overflow.h"
#include "kernels/f16/tile.h"
#include "kernels/f16/winograd_transform.h"
#include "kernels/simd/integers.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// Tiles are multiplied in blocks of kTilePixels.
struct TileGrid {
  int side, rows, columns;
  int64_t tiles, blocks;
};

TileGrid grid_of(const HalfWinogradArgs& args) {
  const int side = kSide + 1 - args.taps;
  const int rows = ceil_div(args.y.h, side), columns = ceil_div(args.y.w, side);
  const int64_t tiles = static_cast<int64_t>(args.y.n) * rows * columns;
  return {side, rows, columns, tiles, ceil_div<int64_t>(tiles, kTilePixels)};
}

// The upper left output of a tile.
struct Place {
  ptrdiff_t image;
  int row, column;
};

SQZ_INLINE Place place_of(const TileGrid& grid, int64_t tile) {
  const int64_t line = tile / grid.columns;
  return {static_cast<ptrdiff_t>(line / grid.rows), static_cast<int>(line % grid.rows) * grid.side,
          static_cast<int>(tile % grid.columns) * grid.side};
}

// The place of the next tile.
SQZ_INLINE void advance(const TileGrid& grid, Place* at) {
  at->column += grid.side;
  if (at->column < grid.columns * grid.side) return;
  at->column = 0;
  at->row += grid.side;
  if (at->row < grid.rows * grid.side) return;
  at->row = 0;
  ++at->image;
}

// Unused halves between the values of two consecutive points, without which all points would be in
// the same few cache sets.
constexpr ptrdiff_t kPadding = 32;

// The layout of points is [block of kTilePixels tiles][point][channel / 8][tile][channel % 8], and
// that of transformed filters [point][channel][kConvNr].
SQZ_INLINE ptrdiff_t point_stride(int channels) {
  return static_cast<ptrdiff_t>(ceil_div(channels, kLanes)) * kLanes * kTilePixels + kPadding;
}

SQZ_INLINE ptrdiff_t filter_stride(int channels) {
  return static_cast<ptrdiff_t>(channels) * kConvNr + kPadding;
}

SQZ_INLINE Half* points_of(const HalfWinogradArgs& args, int64_t block) {
  return args.points + block * kPoints * point_stride(args.x.c);
}

// Calls change(register) for each register of a tile's points.
template <typename Change>
SQZ_INLINE void each_point(const HalfWinogradArgs& args, int64_t tile, const Change& change) {
  Half* point = points_of(args, tile / kTilePixels) + tile % kTilePixels * kLanes;
  for (int p = 0; p < kPoints; ++p, point += point_stride(args.x.c))
    for (int channel = 0; channel < args.x.c; channel += kLanes)
      change(point + channel * kTilePixels);
}

// Stores a register and advances to the next point.
SQZ_INLINE void put(Vec v, ptrdiff_t next, Half** to) {
  // One instruction does both, which compilers do not know.
  __asm__ volatile("st1 {%1.8h}, [%0], %2"
                   : "+r"(*to)
                   : "w"(v), "r"(next * static_cast<ptrdiff_t>(sizeof(Half)))
                   : "memory");
}

// Transforms a row of a tile to its points and stores these.
SQZ_INLINE Half* put_row(Vec factors, const Vec* row, ptrdiff_t next_point, Half* to) {
  Vec points[kSide];
  transform_pairs(factors, row, points + 1);
  transform_ends(factors, row, &points[0], &points[5]);
  SQZ_UNROLL
  for (int j = 0; j < kSide; ++j) put(points[j], next_point, &to);
  return to;
}

// Transforms `count` registers of a tile's channels; load_one(address) loads one.
template <typename Load>
SQZ_NOINLINE void transform_channels(const HalfView& map, const Half* x, int count,
                                     const Load& load_one, ptrdiff_t next_point, Half* out) {
  const ptrdiff_t pixel = map.pixel, row = map.row;
  const Vec factors = input_factors();
  for (; count > 0; --count, x += kLanes, out += kTilePixels * kLanes) {
    // First along the columns, to the points zero and infinity, then to the other four, because there are
    // not registers for all.
    Vec zeros[kSide], infinities[kSide], pairs[4][kSide], d[kSide];
    const Half* column = x;
    SQZ_UNROLL
    for (int j = 0; j < kSide; ++j, column += pixel) {
      SQZ_UNROLL
      for (int i = 0; i < kSide; ++i) d[i] = load_one(column + i * row);
      transform_ends(factors, d, &zeros[j], &infinities[j]);
    }
    Half* to = put_row(factors, zeros, next_point, out);
    put_row(factors, infinities, next_point, to + 4 * kSide * next_point);
    column = x;
    SQZ_UNROLL
    for (int j = 0; j < kSide; ++j, column += pixel) {
      Vec points[4];
      SQZ_UNROLL
      for (int i = 1; i < kSide - 1; ++i) d[i] = load_one(column + i * row);
      transform_pairs(factors, d, points);
      SQZ_UNROLL
      for (int i = 0; i < 4; ++i) pairs[i][j] = points[i];
    }
    SQZ_UNROLL
    for (int i = 0; i < 4; ++i) to = put_row(factors, pairs[i], next_point, to);
  }
}

void transform_tile(const HalfWinogradArgs& args, const Place& at, int64_t tile) {
  const HalfView& map = args.x;
  const Half* x = map.data + at.image * map.image + at.row * map.row + at.column * map.pixel;
  Half* out = points_of(args, tile / kTilePixels) + tile % kTilePixels * kLanes;
  const ptrdiff_t next_point = point_stride(map.c);
  const int whole = map.c / kLanes, left = map.c % kLanes;
  transform_channels(map, x, whole, [](const Half* p) { return load(p); }, next_point, out);
  if (left == 0) return;
  x += whole * kLanes, out += whole * kTilePixels * kLanes;
  if (left == 4)  // squares of RGB images have 12 channels
    transform_channels(map, x, 1, [](const Half* p) { return load_four(p); }, next_point, out);
  else
    transform_channels(
        map, x, 1, [left](const Half* p) { return load_n(p, left); }, next_point, out);
}

// u[point][ci][kConvNr] of one block of output channels, from w[ci][ky][kx][kConvNr].
template <int kTaps>
SQZ_NOINLINE void transform_filters(const Half* w, int channels, Half* u) {
  const ptrdiff_t next_point = filter_stride(channels);
  for (int c = 0; c < channels; ++c, w += kTaps * kTaps * kConvNr, u += kConvNr) {
    for (int v = 0; v < kConvNr; v += kLanes) {
      Vec half[kTaps][kSide];  // [column][point]
      SQZ_UNROLL
      for (int j = 0; j < kTaps; ++j) {
        Vec taps[kTaps];
        SQZ_UNROLL
        for (int i = 0; i < kTaps; ++i) taps[i] = load(w + (i * kTaps + j) * kConvNr + v);
        transform_filter<kTaps>(taps, half[j]);
      }
      Half* to = u + v;
      SQZ_UNROLL
      for (int i = 0; i < kSide; ++i) {
        Vec taps[kTaps], out[kSide];
        SQZ_UNROLL
        for (int j = 0; j < kTaps; ++j) taps[j] = half[j][i];
        transform_filter<kTaps>(taps, out);
        SQZ_UNROLL
        for (int j = 0; j < kSide; ++j) put(out[j], next_point, &to);
      }
    }
  }
}

// The first channels that count at a point. Those of squares are four pixels, and filters of squares
// lack the last row of taps for the lower two, and the last column for the right two. At infinity, a
// filter has the values of its last taps alone.
template <int kTaps>
SQZ_INLINE int channels_at(int point, int channels) {
  if (kTaps == 3) return channels;
  const bool last_row = point >= kPoints - kSide, last_column = point % kSide == kSide - 1;
  const int pixels = last_row ? (last_column ? 1 : 2) : (last_column ? 3 : 4);
  return channels / 4 * pixels;
}

// products[tile][point][kConvNr] = points[point][tile][:] . u[point][:][kConvNr]
template <int kTaps>
SQZ_NOINLINE void multiply_block(const Half* points, const Half* u, int channels, int tiles,
                                 Half* products) {
  for (int p = 0; p < kPoints; ++p, products += kConvNr) {
    const int used = channels_at<kTaps>(p, channels);
    if (tiles == 1)
      multiply_first_point(points, used, u, products);
    else
      multiply_point(points, used, u, products, kPoints * kConvNr);
    points += point_stride(channels);
    u += filter_stride(channels);
  }
}

// Transforms a register of a tile's products to outputs without ReLU: out[row][column].
template <int kTile>
SQZ_INLINE void transform_products(const Half* products, Vec bias, Vec (*out)[kTile]) {
  const Vec factors = output_factors();
  Vec half[kSide][kTile];  // [column][output row]
  SQZ_UNROLL
  for (int j = 0; j < kSide; ++j) {
    Vec m[kSide];
    SQZ_UNROLL
    for (int i = 0; i < kSide; ++i) m[i] = load(products + (i * kSide + j) * kConvNr);
    transform_output<kTile>(factors, m, half[j]);
  }
  SQZ_UNROLL
  for (int i = 0; i < kTile; ++i) {
    Vec m[kSide];
    SQZ_UNROLL
    for (int j = 0; j < kSide; ++j) m[j] = half[j][i];
    transform_output<kTile>(factors, m, out[i]);
    SQZ_UNROLL
    for (int j = 0; j < kTile; ++j) out[i][j] = add(out[i][j], bias);
  }
}

// Some of a block's tiles: the place of the first, and its products.
struct Tiles {
  Place first;
  int count;
  const Half* products;
};

SQZ_INLINE Half* output_at(const HalfView& y, const Place& at) {
  return y.data + at.image * y.image + at.row * y.row + at.column * y.pixel;
}

// Stores the outputs of tiles, for a whole block of channels. A tile at an edge may lack rows and
// columns. Missing ones are written to the place of the last one, which is written after them.
template <int kTile>
SQZ_NOINLINE void store_tiles(const HalfWinogradArgs& args, const TileGrid& grid, Tiles tiles,
                              int channel) {
  const HalfView y = args.y;
  const Half* const bias = args.b + channel;
  for (; tiles.count > 0; --tiles.count, advance(grid, &tiles.first)) {
    const Place at = tiles.first;
    const int last_row = min(y.h - at.row, kTile) - 1;
    const int last_column = min(y.w - at.column, kTile) - 1;
    Half* const corner = output_at(y, at) + channel;
    Half* rows[kTile];
    ptrdiff_t columns[kTile];
    SQZ_UNROLL
    for (int i = 0; i < kTile; ++i) {
      rows[i] = corner + min(i, last_row) * y.row;
      columns[i] = min(i, last_column) * y.pixel;
    }
    for (int v = 0; v < kConvNr; v += kLanes) {
      Vec out[kTile][kTile];
      transform_products<kTile>(tiles.products + v, load(bias + v), out);
      SQZ_UNROLL
      for (int i = kTile - 1; i >= 0; --i) {
        SQZ_UNROLL
        for (int j = kTile - 1; j >= 0; --j)
          store(rows[i] + columns[j] + v, max(out[i][j], zero()));
      }
    }
    tiles.products += kPoints * kConvNr;
  }
}

// The same for a block that may lack channels. Infinite outputs become NaNs.
template <int kTile>
SQZ_NOINLINE void store_tiles_checked(const HalfWinogradArgs& args, const TileGrid& grid,
                                      Tiles tiles, int channel) {
  const HalfView& y = args.y;
  const int channels = min(y.c - channel, kConvNr);
  for (; tiles.count > 0; --tiles.count, advance(grid, &tiles.first)) {
    const Place at = tiles.first;
    for (int v = 0; v < channels; v += kLanes) {
      Vec out[kTile][kTile];
      transform_products<kTile>(tiles.products + v, load(args.b + channel + v), out);
      Half* const corner = output_at(y, at) + channel + v;
      for (int i = 0; i < min(y.h - at.row, kTile); ++i)
        for (int j = 0; j < min(y.w - at.column, kTile); ++j)
          store_n(corner + i * y.row + j * y.pixel, rectified(out[i][j]),
                  min(channels - v, kLanes));
    }
    tiles.products += kPoints * kConvNr;
  }
}

// An item is a chunk of tile blocks for one block of output channels, whose filters it transforms.
// A chunk's points stay in the L2 cache while the channel blocks are computed.
constexpr int64_t kChunkHalves = 144 * 1024;

struct Chunks {
  int64_t count, blocks;

  int64_t first_block(int64_t chunk) const { return chunk * blocks / count; }
};

Chunks chunks_of(const HalfWinogradArgs& args, const TileGrid& grid) {
  const int64_t halves = grid.blocks * kPoints * point_stride(args.x.c);
  return {min(ceil_div(halves, kChunkHalves), grid.blocks), grid.blocks};
}

int channel_blocks(const HalfWinogradArgs& args) { return ceil_div(args.y.c, kConvNr); }

template <int kTaps>
SQZ_NOINLINE void products_and_output(const HalfWinogradArgs& args, bool checked, int64_t begin,
                                      int64_t end, Half* u, Half* products) {
  constexpr int kTile = kSide + 1 - kTaps;
  const TileGrid grid = grid_of(args);
  const Chunks chunks = chunks_of(args, grid);
  for (int64_t item = begin; item < end; ++item) {
    const int64_t chunk = item / channel_blocks(args);
    const int channel = static_cast<int>(item % channel_blocks(args)) * kConvNr;
    const ptrdiff_t before = static_cast<ptrdiff_t>(channel) * kTaps * kTaps * args.x.c;
    transform_filters<kTaps>(args.w + before, args.x.c, u);
    for (int64_t b = chunks.first_block(chunk); b < chunks.first_block(chunk + 1); ++b) {
      const int64_t first = b * kTilePixels;
      const int count = static_cast<int>(min<int64_t>(grid.tiles - first, kTilePixels));
      multiply_block<kTaps>(points_of(args, b), u, args.x.c, count, products);
      const Tiles tiles = {place_of(grid, first), count, products};
      if (checked || channel + kConvNr > args.y.c)
        store_tiles_checked<kTile>(args, grid, tiles, channel);
      else
        store_tiles<kTile>(args, grid, tiles, channel);
    }
  }
}

constexpr int64_t kProducts = static_cast<int64_t>(kTilePixels) * kPoints * kConvNr;

}  // namespace

int64_t winograd_f16_points(const HalfWinogradArgs& args) {
  return grid_of(args).blocks * kPoints * point_stride(args.x.c);
}

int64_t winograd_f16_scratch(const HalfWinogradArgs& args) {
  const int64_t halves = kProducts + kPoints * filter_stride(args.x.c);
  return halves * static_cast<int64_t>(sizeof(Half));
}

int64_t winograd_input_f16_items(const HalfWinogradArgs& args) { return grid_of(args).tiles; }

void winograd_input_f16(const HalfWinogradArgs& args, int64_t begin, int64_t end) {
  const TileGrid grid = grid_of(args);
  forget_overflow();
  Place at = place_of(grid, begin);
  for (int64_t tile = begin; tile < end; ++tile, advance(grid, &at)) transform_tile(args, at, tile);
  if (overflowed())
    for (int64_t tile = begin; tile < end; ++tile)
      each_point(args, tile, [](Half* point) { store(point, marked(load(point))); });
  // The products of the last block include its missing tiles, in which nothing must overflow.
  if (end == grid.tiles && grid.tiles % kTilePixels > 1)
    for (int64_t tile = end; tile < grid.blocks * kTilePixels; ++tile)
      each_point(args, tile, [](Half* point) { store(point, zero()); });
}

int64_t winograd_output_f16_items(const HalfWinogradArgs& args) {
  return chunks_of(args, grid_of(args)).count * channel_blocks(args);
}

void winograd_output_f16(const HalfWinogradArgs& args, int64_t begin, int64_t end, void* scratch) {
  Half* const products = static_cast<Half*>(scratch);
  Half* const u = products + kProducts;
  compute_checked([&](bool checked) {
    if (args.taps == 4)
      products_and_output<4>(args, checked, begin, end, u, products);
    else
      products_and_output<3>(args, checked, begin, end, u, products);
  });
}

}  // namespace SQZ_ISA
}  // namespace sqz
