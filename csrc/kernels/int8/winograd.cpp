// The 3x3 convolution with stride 1 by Winograd's algorithm F(4x4, 3x3) on integers of 16 bits: 36
// products for 16 outputs instead of 144, with exactly the sums of conv_i8. Lavin and Gray,
// arXiv:1509.09308.
//
// The points are 0, 1, -1, 2, -2 and infinity. The transform of the inputs has integer factors, and
// bytes become numbers of 16 bits: at most 68 * 255. That of the filters has fractions, so it is
// multiplied by 24 in each of the two dimensions, in part here, so that weights become at most
// 144 * 127, and in part in the outputs' transform. Its results are 24 * 24 = 576 times the sums.
//
// These need not fit into 32 bits, since all arithmetic is modulo 2^32, where 9 has an inverse. The
// result times this inverse is 64 times the sum, modulo 2^32. So it is exact if the sum is between
// -2^25 and 2^25. The packing makes sure of it, see core/pack_int8.h, and divides the scales by 64.
//
// There are two kernels, as in f32/winograd.cpp: the first transforms the inputs, one tile after
// another; the second, for a block of output channels, transforms the filters, then multiplies a few
// tiles at a time and transforms their products back, while they are in the L1 cache.
#include "kernels/int8/kernels.h"
#include "kernels/simd/dot.h"
#include "kernels/simd/shorts.h"
#include "kernels/tiles/bytes.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kSide = 6, kTile = 4, kTaps = 3, kPoints = kSide * kSide;

constexpr int kBlock = kPointRegisters * kSums;  // output channels

struct TileGrid {
  int rows, columns;
  int64_t tiles;
};

TileGrid grid_of(const ByteWinogradArgs& args) {
  const int rows = ceil_div(args.y.h, kTile), columns = ceil_div(args.y.w, kTile);
  return {rows, columns, static_cast<int64_t>(args.y.n) * rows * columns};
}

struct Place {
  int64_t n;
  int row, column;
};

SQZ_INLINE Place place_of(const TileGrid& grid, int64_t tile) {
  return {tile / (static_cast<int64_t>(grid.rows) * grid.columns),
          static_cast<int>(tile / grid.columns % grid.rows) * kTile,
          static_cast<int>(tile % grid.columns) * kTile};
}

// --- The one-dimensional transforms --------------------------------------------------------------

SQZ_INLINE void transform_input(const Shorts* d, Shorts* points) {
  const Shorts ones_even = sub(four_times(d[2]), d[4]), ones_odd = sub(four_times(d[1]), d[3]);
  const Shorts twos_even = sub(d[4], d[2]), twos_odd = twice(sub(d[3], d[1]));
  points[0] = add(four_times(sub(d[0], d[2])), twos_even);
  points[1] = add(ones_even, ones_odd);
  points[2] = sub(ones_even, ones_odd);
  points[3] = add(twos_even, twos_odd);
  points[4] = sub(twos_even, twos_odd);
  points[5] = sub(sub(d[5], d[3]), twice(twos_odd));
}

// Of the factor 24, the points have 6, 4, 4, 1, 1 and 6; the rest is in the input's factors, or, for
// infinity, in transform_output().
SQZ_INLINE void transform_filter(const Shorts* taps, Shorts* points) {
  const Shorts ones = add(taps[0], taps[2]), twos = add(taps[0], four_times(taps[2]));
  const Shorts odd = twice(taps[1]);
  points[0] = add(four_times(taps[0]), twice(taps[0]));
  points[1] = four_times(add(ones, taps[1]));
  points[2] = four_times(sub(ones, taps[1]));
  points[3] = add(twos, odd);
  points[4] = sub(twos, odd);
  points[5] = add(four_times(taps[2]), twice(taps[2]));
}

SQZ_INLINE void transform_output(const Sums* points, Sums* out) {
  const Sums ones_even = add_sums(points[1], points[2]), ones_odd = sub_sums(points[1], points[2]);
  const Sums twos_even = add_sums(points[3], points[4]), twos_odd = sub_sums(points[3], points[4]);
  const Sums doubled = shifted_sums<1>(twos_odd);
  out[0] = add_sums(points[0], add_sums(ones_even, twos_even));
  out[1] = add_sums(ones_odd, doubled);
  out[2] = add_sums(ones_even, shifted_sums<2>(twos_even));
  out[3] = add_sums(ones_odd, shifted_sums<2>(add_sums(doubled, points[5])));
}

// --- Inputs --------------------------------------------------------------------------------------

// A point is a pair of one-dimensional ones, of the columns and of the rows. The layout of points is
// [tile][column][row][channel], so that the rows of a column are adjacent.
SQZ_INLINE int16_t* points_of(const ByteWinogradArgs& args, int64_t tile) {
  return args.points + tile * kPoints * args.x.c;
}

void transform_tile(const ByteWinogradArgs& args, const TileGrid& grid, int64_t tile) {
  const Place place = place_of(grid, tile);
  const uint8_t* x =
      args.x.data + place.n * args.x.image + place.row * args.x.row + place.column * args.x.pixel;
  const ptrdiff_t channels = args.x.c;
  for (ptrdiff_t c = 0; c < channels; c += kShorts) {
    Shorts half[kSide][kSide];  // transformed along the rows: [row][point]
    const uint8_t* row = x + c;
    for (int i = 0; i < kSide; ++i, row += args.x.row) {
      Shorts d[kSide];
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) d[j] = load_shorts(row + j * args.x.pixel);
      transform_input(d, half[i]);
    }
    int16_t* out = points_of(args, tile) + c;
    for (int j = 0; j < kSide; ++j) {
      Shorts d[kSide], points[kSide];
      SQZ_UNROLL
      for (int i = 0; i < kSide; ++i) d[i] = half[i][j];
      transform_input(d, points);
      SQZ_UNROLL
      for (int i = 0; i < kSide; ++i, out += channels) store_shorts(out, points[i]);
    }
  }
}

// --- Filters -------------------------------------------------------------------------------------

// Unused integers between the filters of two points, whose distance would otherwise be a power of
// two, so that all would be in the same few cache sets.
constexpr int kPadding = 32;

SQZ_INLINE ptrdiff_t filter_stride(int channels) {
  return static_cast<ptrdiff_t>(channels) * kBlock + kPadding;
}

// u[point][word][channel of the block][channel of the word] from w[word][tap][..][..]
void transform_filters(const int8_t* w, int channels, int16_t* u) {
  constexpr int kWordFilters = kBlock * kPointGroup;
  const ptrdiff_t next_point = filter_stride(channels);
  for (int word = 0; word < channels / kPointGroup; ++word, w += kTaps * kTaps * kWordFilters) {
    for (int first = 0; first < kWordFilters; first += kShorts, u += kShorts) {
      Shorts half[kTaps][kSide];  // [row][point]
      SQZ_UNROLL
      for (int i = 0; i < kTaps; ++i) {
        Shorts taps[kTaps];
        SQZ_UNROLL
        for (int j = 0; j < kTaps; ++j)
          taps[j] = load_shorts(w + (i * kTaps + j) * kWordFilters + first);
        transform_filter(taps, half[i]);
      }
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) {
        Shorts taps[kTaps], points[kSide];
        SQZ_UNROLL
        for (int i = 0; i < kTaps; ++i) taps[i] = half[i][j];
        transform_filter(taps, points);
        SQZ_UNROLL
        for (int i = 0; i < kSide; ++i) store_shorts(u + (j * kSide + i) * next_point, points[i]);
      }
    }
  }
}

// --- Products and outputs ------------------------------------------------------------------------

// sums[m][v] += word kWord of the loaded ones of tile m * filters of register v
template <int kWord, int kTiles>
SQZ_INLINE void multiply_word(const PointWords* x, const int16_t* u,
                              Sums (*sums)[kPointRegisters]) {
  Filters filters[kPointRegisters];
  SQZ_UNROLL
  for (int v = 0; v < kPointRegisters; ++v)
    filters[v] = load_filters(u + (kWord * kPointRegisters + v) * kSums * kPointGroup);
  SQZ_UNROLL
  for (int m = 0; m < kTiles; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kPointRegisters; ++v)
      sums[m][v] = dot_point<kWord>(sums[m][v], x[m], filters[v]);
  }
}

// products[tile][kBlock] = points[tile][:] . u[:][kBlock], of one point. The products of two tiles
// are kSide * kBlock apart.
template <int kTiles>
SQZ_INLINE void multiply_point(const int16_t* const* x, const int16_t* u, int channels,
                               int32_t* products) {
  constexpr int kStep = kPointWords * kPointGroup;
  Sums sums[kTiles][kPointRegisters];
  SQZ_UNROLL
  for (int m = 0; m < kTiles; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kPointRegisters; ++v) sums[m][v] = zero_sums();
  }
  for (int c = 0; c < channels; c += kStep, u += kStep * kBlock) {
    PointWords words[kTiles];
    SQZ_UNROLL
    for (int m = 0; m < kTiles; ++m) words[m] = load_point_words(x[m] + c);
    multiply_word<0, kTiles>(words, u, sums);
    if constexpr (kPointWords > 1) {
      multiply_word<1, kTiles>(words, u, sums);
      multiply_word<2, kTiles>(words, u, sums);
      multiply_word<3, kTiles>(words, u, sums);
    }
  }
  SQZ_UNROLL
  for (int m = 0; m < kTiles; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kPointRegisters; ++v)
      store_sums(products + m * kSide * kBlock + v * kSums, sums[m][v]);
  }
}

// Products of a tile that are transformed along the columns: [column][output row][kBlock].
constexpr int kHalf = kSide * kTile * kBlock;

// half[tile][column][output row][kBlock] = the transform of points[tile][:] . u[:][kBlock]. The
// products of a column's points stay in the L1 cache.
template <int kTiles>
SQZ_NOINLINE void multiply(const int16_t* const* tiles, const int16_t* u, int channels,
                           const int32_t* bias, int32_t* half) {
  const int16_t* x[kTiles];
  SQZ_UNROLL
  for (int m = 0; m < kTiles; ++m) x[m] = tiles[m];
  alignas(64) int32_t products[kTiles * kSide * kBlock];
  for (int j = 0; j < kSide; ++j) {
    for (int i = 0; i < kSide; ++i, u += filter_stride(channels)) {
      multiply_point<kTiles>(x, u, channels, products + i * kBlock);
      SQZ_UNROLL
      for (int m = 0; m < kTiles; ++m) x[m] += channels;
    }
    for (int m = 0; m < kTiles; ++m) {
      for (int v = 0; v < kBlock; v += kSums) {
        Sums points[kSide], out[kTile];
        SQZ_UNROLL
        for (int i = 0; i < kSide; ++i)
          points[i] = load_sums(products + (m * kSide + i) * kBlock + v);
        // What is added to the point (1, 1) is added to each output.
        if (j == 1) points[1] = add_sums(points[1], load_sums(bias + v));
        transform_output(points, out);
        int32_t* const to = half + m * kHalf + j * kTile * kBlock + v;
        SQZ_UNROLL
        for (int i = 0; i < kTile; ++i) store_sums(to + i * kBlock, out[i]);
      }
    }
  }
}

// The same for `tiles` tiles, at most kTiles.
template <int kTiles>
SQZ_INLINE void multiply_some(int tiles, const int16_t* const* points, const int16_t* u,
                              int channels, const int32_t* bias, int32_t* half) {
  if (tiles == kTiles) return multiply<kTiles>(points, u, channels, bias, half);
  if constexpr (kTiles > 1) multiply_some<kTiles - 1>(tiles, points, u, channels, bias, half);
}

// Transforms the half of a tile along the rows, and stores its outputs.
template <bool kNarrow>
void untransform_tile(const ByteWinogradArgs& args, const TileGrid& grid, int64_t tile,
                      const int32_t* half, int first) {
  const Place place = place_of(grid, tile);
  const int rows = min(args.y.h - place.row, kTile), columns = min(args.y.w - place.column, kTile);
  const int left = args.y.c - first;
  uint8_t* y = args.y.data + place.n * args.y.image + place.row * args.y.row +
               place.column * args.y.pixel + first;
  for (int i = 0; i < rows; ++i, y += args.y.row, half += kBlock) {
    Sums out[kTile][kPointRegisters];
    SQZ_UNROLL
    for (int v = 0; v < kPointRegisters; ++v) {
      Sums points[kSide], row[kTile];
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) points[j] = load_sums(half + j * kTile * kBlock + v * kSums);
      transform_output(points, row);
      SQZ_UNROLL
      for (int j = 0; j < kTile; ++j) out[j][v] = ninth_of_sums(row[j]);
    }
    uint8_t* places[kTile];
    SQZ_UNROLL
    for (int j = 0; j < kTile; ++j) places[j] = y + j * args.y.pixel;
    store_pixels<kTile, kPointRegisters, kNarrow>(places, 0, out, args.scale + first, columns,
                                                  left);
  }
}

// An item is a chunk of tiles for one block of output channels, whose filters it transforms. A
// chunk's points stay in the L2 cache while the blocks are computed.
constexpr int64_t kChunkBytes = 224 * 1024;

struct Chunks {
  int64_t count, tiles;

  int64_t first_tile(int64_t chunk) const { return chunk * tiles / count; }
  int64_t end_tile(int64_t chunk) const { return first_tile(chunk + 1); }
};

Chunks chunks_of(const ByteWinogradArgs& args, const TileGrid& grid) {
  const int64_t bytes = winograd_i8_points(args) * static_cast<int64_t>(sizeof(int16_t));
  return {min(ceil_div(bytes, kChunkBytes), ceil_div<int64_t>(grid.tiles, kPointTiles)),
          grid.tiles};
}

int blocks_of(const ByteWinogradArgs& args) { return ceil_div(args.y.c, kBlock); }

SQZ_INLINE int64_t filter_values(const ByteWinogradArgs& args) {
  return kPoints * filter_stride(args.x.c);
}

}  // namespace

int64_t winograd_i8_points(const ByteWinogradArgs& args) {
  return grid_of(args).tiles * kPoints * args.x.c;
}

int64_t winograd_i8_scratch(const ByteWinogradArgs& args) {
  return filter_values(args) * static_cast<int64_t>(sizeof(int16_t)) +
         kPointTiles * kHalf * static_cast<int64_t>(sizeof(int32_t));
}

int64_t winograd_input_i8_items(const ByteWinogradArgs& args) { return grid_of(args).tiles; }

void winograd_input_i8(const ByteWinogradArgs& args, int64_t begin, int64_t end) {
  const TileGrid grid = grid_of(args);
  for (int64_t tile = begin; tile < end; ++tile) transform_tile(args, grid, tile);
}

int64_t winograd_output_i8_items(const ByteWinogradArgs& args) {
  return chunks_of(args, grid_of(args)).count * blocks_of(args);
}

void winograd_output_i8(const ByteWinogradArgs& args, int64_t begin, int64_t end, void* scratch) {
  const TileGrid grid = grid_of(args);
  const Chunks chunks = chunks_of(args, grid);
  int32_t* const half = static_cast<int32_t*>(scratch);
  int16_t* const u = reinterpret_cast<int16_t*>(half + kPointTiles * kHalf);
  for (int64_t item = begin; item < end; ++item) {
    const int64_t chunk = item / blocks_of(args), last = chunks.end_tile(chunk);
    const int first = static_cast<int>(item % blocks_of(args)) * kBlock;
    transform_filters(args.w + static_cast<ptrdiff_t>(first) * kTaps * kTaps * args.x.c, args.x.c,
                      u);
    const int64_t all = last - chunks.first_tile(chunk);
    int64_t groups = all <= kPointTiles ? 1 : ceil_div<int64_t>(all, kManyTiles);
    for (int64_t tile = chunks.first_tile(chunk); tile < last; --groups) {
      const int tiles = static_cast<int>(ceil_div(last - tile, groups));
      const int16_t* points[kPointTiles];
      for (int m = 0; m < tiles; ++m) points[m] = points_of(args, tile + m);
      multiply_some<kPointTiles>(tiles, points, u, args.x.c, args.b + first, half);
      for (int m = 0; m < tiles; ++m) {
        if (args.narrow)
          untransform_tile<true>(args, grid, tile + m, half + m * kHalf, first);
        else
          untransform_tile<false>(args, grid, tile + m, half + m * kHalf, first);
      }
      tile += tiles;
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
