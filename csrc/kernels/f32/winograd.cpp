// Stride-1 convolution, bias and ReLU by Winograd's F(m x m, r x r): the expand 3x3, and the 7x7
// stem, whose stride of 2 has been removed by rearranging its input.
//
// There are two kernels. The first transforms each tile of side x side input pixels, with side = m
// + r - 1, to its side^2 points; a register holds adjacent channels. The second computes one block
// of kConvNr output channels at a time. It transforms the block's filters. Then for each point it
// multiplies tiles x input channels by input channels x kConvNr, and transforms the products of
// kConvMr tiles back while they are in the L1 cache. Neither all products nor all transformed
// filters are ever in memory. The transformed filters are 49 / 9 times as large as the filters, and
// loading them takes longer than computing them again.
#include "kernels/f32/kernels.h"
#include "kernels/f32/winograd_transform.h"
#include "kernels/tiles/dense.h"
#include "kernels/tiles/places.h"
#include "kernels/tiles/store.h"
#include "kernels/tiles/weights.h"

#if defined(SQZ_AARCH64)
#include "kernels/f32/aarch64/winograd_filters.h"
#include "kernels/f32/aarch64/winograd_tile.h"
#endif

namespace sqz {
namespace SQZ_ISA {
namespace {

// Tiles are multiplied in blocks of at most kConvMr. The blocks have nearly equal sizes: in a last
// block of one or two tiles the latency of the few sums would not be hidden.
struct TileGrid {
  int rows, columns;
  int64_t tiles, blocks;

#if defined(SQZ_AARCH64)  // whose products also compute missing tiles
  int64_t first_tile(int64_t block) const { return block < blocks ? block * kConvMr : tiles; }
  int64_t block_of(int64_t tile) const { return tile / kConvMr; }
#else
  int64_t first_tile(int64_t block) const { return block * tiles / blocks; }
  int64_t block_of(int64_t tile) const { return ((tile + 1) * blocks - 1) / tiles; }
#endif
};

TileGrid grid_of(const WinogradArgs& args) {
  const int rows = ceil_div(args.y.h, args.tile), columns = ceil_div(args.y.w, args.tile);
  const int64_t tiles = static_cast<int64_t>(args.y.n) * rows * columns;
  return {rows, columns, tiles, ceil_div<int64_t>(tiles, kConvMr)};
}

// The layout of points is [block of kConvMr tiles][point][tile][channel]. On AArch64 the last two
// are packed as described in aarch64/winograd_tile.h.
SQZ_INLINE ptrdiff_t point_stride(int width, int channels) {
  return static_cast<ptrdiff_t>(width) * channels + kPointPadding;
}

SQZ_INLINE float* points_of(const WinogradArgs& args, int64_t block) {
  const int side = args.tile + args.taps - 1;
  return args.points + block * (side * side) * point_stride(kConvMr, args.x.c);
}

template <int kSide, int kTaps>
void transform_tile(const WinogradArgs& args, const TileGrid& grid, int64_t tile) {
  using T = Transform<kSide, kTaps>;
  constexpr int kTile = T::kTile;
  const int64_t n = tile / (static_cast<int64_t>(grid.rows) * grid.columns);
  const int ty = static_cast<int>(tile / grid.columns % grid.rows) * kTile;
  const int tx = static_cast<int>(tile % grid.columns) * kTile;
  const float* x = args.x.data + n * args.x.image + ty * args.x.row + tx * args.x.pixel;
  // Beyond the lower and right edges a tile reads zeros.
  const int rows = min(args.x.h - ty, kSide), columns = min(args.x.w - tx, kSide);
  const int64_t block = grid.block_of(tile);
  const int64_t place = tile - grid.first_tile(block);
  const typename T::InputFactors factors;
  const ptrdiff_t next_point = point_stride(kConvMr, args.x.c), next_row = args.x.row;
  for (int first = 0; first < args.x.c; first += kLanes) {
#if defined(SQZ_AARCH64)
    const int c = first, left = min(args.x.c - c, kLanes);
    float* out = points_of(args, block) + packed_place(place, c);
#else
    // The last register may overlap the one before it. Partial loads are needed only if there are
    // fewer channels than floats in a register.
    const int left = min(args.x.c, kLanes);
    const int c = first + left <= args.x.c ? first : args.x.c - left;
    float* out = points_of(args, block) + place * args.x.c + c;
#endif
    Vec half[kSide][kSide];  // transformed along the columns: [column][point]
    if (rows == kSide && columns == kSide && left == kLanes) {
      const float* column = x + c;
      for (int j = 0; j < kSide; ++j, column += args.x.pixel) {
        Vec d[kSide];
        SQZ_UNROLL
        for (int i = 0; i < kSide; ++i) d[i] = load(column + i * next_row);
        T::input(factors, d, half[j]);
      }
    } else {
      for (int j = 0; j < kSide; ++j) {
        Vec d[kSide];
        SQZ_UNROLL
        for (int i = 0; i < kSide; ++i) {
          const float* p = x + i * next_row + j * args.x.pixel + c;
          if (i >= rows || j >= columns)
            d[i] = zero();
          else
            d[i] = left == kLanes ? load(p) : load_n(p, left);
        }
        T::input(factors, d, half[j]);
      }
    }
    for (int i = 0; i < kSide; ++i) {
      Vec d[kSide], v[kSide];
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) d[j] = half[j][i];
      T::input(factors, d, v);
      float* row = out + i * kSide * next_point;
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) {
        if (left == kLanes)
          store(row + j * next_point, v[j]);
        else
          store_n(row + j * next_point, v[j], left);
      }
    }
  }
}

#if defined(SQZ_AARCH64)

// products[tile][point][kConvNr] = points[point][tile][:] . u[point][:][kConvNr]
template <int kPoints>
SQZ_NOINLINE void multiply_block(int, const float* points, const float* u, int channels,
                                 float* products) {
  const ptrdiff_t row = channels;
  for (int p = 0; p < kPoints; ++p) {
    multiply_point(points, row, u, products + p * kConvNr, kPoints * kConvNr);
    points += point_stride(kConvMr, channels);
    u += point_stride(kConvNr, channels);
  }
}

#else

// products[tile][point][kConvNr] = points[point][tile][:] . u[point][:][kConvNr]
template <int kTiles, int kPoints>
SQZ_INLINE void multiply(const float* points, const float* u, int channels, float* products) {
  const ptrdiff_t row = channels;
  for (int p = 0; p < kPoints; ++p) {
    Vec acc[kTiles][kConvNv];
    SQZ_UNROLL
    for (int m = 0; m < kTiles; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) acc[m][v] = zero();
    }
    const float* x[kTiles];
    SQZ_UNROLL
    for (int m = 0; m < kTiles; ++m) x[m] = points + m * row;
    multiply_tile<kTiles>(x, row, u, 0, acc);
    points += point_stride(kConvMr, channels);
    u += point_stride(kConvNr, channels);
    SQZ_UNROLL
    for (int m = 0; m < kTiles; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v)
        store(products + (m * kPoints + p) * kConvNr + v * kLanes, acc[m][v]);
    }
  }
}

static_assert(kConvMr <= 8, "multiply_block() handles up to 8 tiles");

template <int kPoints>
void multiply_block(int tiles, const float* points, const float* u, int channels, float* products) {
  if constexpr (kConvMr > 6) {
    if (tiles == 8) return multiply<8, kPoints>(points, u, channels, products);
    if (tiles == 7) return multiply<7, kPoints>(points, u, channels, products);
  }
  if constexpr (kConvMr > 5) {
    if (tiles == 6) return multiply<6, kPoints>(points, u, channels, products);
  }
  if constexpr (kConvMr > 4) {
    if (tiles == 5) return multiply<5, kPoints>(points, u, channels, products);
  }
  if (tiles == 4) return multiply<4, kPoints>(points, u, channels, products);
  if (tiles == 3) return multiply<3, kPoints>(points, u, channels, products);
  if (tiles == 2) return multiply<2, kPoints>(points, u, channels, products);
  multiply<1, kPoints>(points, u, channels, products);
}

#endif

template <int kSide, int kTaps>
void untransform_tile(const WinogradArgs& args, const TileGrid& grid, int64_t tile,
                      const float* products, int first_channel) {
  using T = Transform<kSide, kTaps>;
  constexpr int kTile = T::kTile;
  const int64_t n = tile / (static_cast<int64_t>(grid.rows) * grid.columns);
  const int ty = static_cast<int>(tile / grid.columns % grid.rows) * kTile;
  const int tx = static_cast<int>(tile % grid.columns) * kTile;
  const int rows = min(args.y.h - ty, kTile), columns = min(args.y.w - tx, kTile);
  float* y = args.y.data + n * args.y.image + ty * args.y.row + tx * args.y.pixel + first_channel;
  const typename T::OutputFactors factors;
  // Columns past the edge are written to the place of the last column, which is written after them.
  ptrdiff_t places[kTile];
  for (int j = 0; j < kTile; ++j) places[j] = min(j, columns - 1) * args.y.pixel;
  for (int v = 0; v < kConvNv; ++v) {
    const int left = args.y.c - first_channel - v * kLanes;
    if (left <= 0) break;
    const Vec bias = load(args.b + first_channel + v * kLanes);
    Vec half[kSide][kTile];  // [column][output row]
    for (int j = 0; j < kSide; ++j) {
      Vec m[kSide];
      SQZ_UNROLL
      for (int i = 0; i < kSide; ++i)
        m[i] = load(products + (i * kSide + j) * kConvNr + v * kLanes);
      // A value added to the point (1, 1) is added to each output.
      if (j == T::kOne) m[T::kOne] = add(m[T::kOne], bias);
      T::output(factors, m, half[j]);
    }
    float* row = y + v * kLanes;
    for (int i = 0; i < rows; ++i, row += args.y.row) {
      Vec m[kSide], out[kTile];
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) m[j] = half[j][i];
      T::output(factors, m, out);
      rectify<kTile>(args.relu, out);
      SQZ_UNROLL
      for (int j = kTile - 1; j >= 0; --j) store_left(row + places[j], out[j], left);
    }
  }
}

#if !defined(SQZ_AARCH64)

// u[point][ci][kConvNr] of one block of output channels, from w[ci][ky][kx][kConvNr].
template <int kSide, int kTaps, typename W>
void transform_filters(const W* w, int channels, ptrdiff_t next_point, float* u) {
  using T = Transform<kSide, kTaps>;
  for (int c = 0; c < channels; ++c, w += kTaps * kTaps * kConvNr, u += kConvNr) {
    // Each pass over an image reads the filters once, from memory or a distant cache.
    for (int line = 0; line < kTaps * kTaps * kConvNr; line += kLineOf<W>)
      prefetch(w + 8 * kTaps * kTaps * kConvNr + line);
    for (int v = 0; v < kConvNv; ++v) {
      Vec half[kTaps][kSide];  // [column][point]
      SQZ_UNROLL_WIDE
      for (int j = 0; j < kTaps; ++j) {
        Vec g[kTaps];
        SQZ_UNROLL
        for (int i = 0; i < kTaps; ++i) g[i] = load(w + (i * kTaps + j) * kConvNr + v * kLanes);
        T::filter(g, half[j]);
      }
      SQZ_UNROLL_WIDE
      for (int i = 0; i < kSide; ++i) {
        Vec g[kTaps], out[kSide];
        SQZ_UNROLL
        for (int j = 0; j < kTaps; ++j) g[j] = half[j][i];
        T::filter(g, out);
        SQZ_UNROLL
        for (int j = 0; j < kSide; ++j)
          store(u + (i * kSide + j) * next_point + v * kLanes, out[j]);
      }
    }
  }
}

#endif

template <int kSide, int kTaps>
void block_filters(const WinogradArgs& args, int first_channel, float* u) {
  const auto transform = [&](const auto* w) {
    transform_filters<kSide, kTaps>(w, args.x.c, point_stride(kConvNr, args.x.c), u);
  };
  with_weights(args.w, static_cast<ptrdiff_t>(first_channel) * kTaps * kTaps * args.x.c, transform);
}

// An item is a chunk of tile blocks for one block of output channels, whose filters it transforms.
// A chunk's points stay in the L2 cache while the channel blocks are computed. Loading points from
// farther away would take longer than transforming the filters again for each chunk.
constexpr int64_t kChunkFloats = 56 * 1024;

struct Chunks {
  int64_t count, blocks;

  int64_t first_block(int64_t chunk) const { return chunk * blocks / count; }
};

Chunks chunks_of(const WinogradArgs& args, const TileGrid& grid) {
  const int side = args.tile + args.taps - 1;
  const int64_t floats = grid.blocks * side * side * point_stride(kConvMr, args.x.c);
  return {min(ceil_div(floats, kChunkFloats), grid.blocks), grid.blocks};
}

int channel_blocks(const WinogradArgs& args) { return ceil_div(args.y.c, kConvNr); }

template <int kSide, int kTaps>
void products_and_output(const WinogradArgs& args, int64_t begin, int64_t end, float* u,
                         float* products) {
  constexpr int kPoints = Transform<kSide, kTaps>::kPoints;
  const TileGrid grid = grid_of(args);
  const Chunks chunks = chunks_of(args, grid);
  for (int64_t item = begin; item < end; ++item) {
    const int64_t chunk = item / channel_blocks(args);
    const int channel = static_cast<int>(item % channel_blocks(args)) * kConvNr;
    block_filters<kSide, kTaps>(args, channel, u);
    for (int64_t b = chunks.first_block(chunk); b < chunks.first_block(chunk + 1); ++b) {
      const int64_t first = grid.first_tile(b);
      const int tiles = static_cast<int>(grid.first_tile(b + 1) - first);
      multiply_block<kPoints>(tiles, points_of(args, b), u, args.x.c, products);
      for (int t = 0; t < tiles; ++t) {
        untransform_tile<kSide, kTaps>(args, grid, first + t, products + t * kPoints * kConvNr,
                                       channel);
      }
    }
  }
}

template <int kSide, int kTaps>
void transform_tiles(const WinogradArgs& args, int64_t begin, int64_t end) {
  const TileGrid grid = grid_of(args);
  for (int64_t tile = begin; tile < end; ++tile) transform_tile<kSide, kTaps>(args, grid, tile);
}

}  // namespace

int64_t winograd_input_f32_items(const WinogradArgs& args) { return grid_of(args).tiles; }

void winograd_input_f32(const WinogradArgs& args, int64_t begin, int64_t end) {
  if (args.taps == 4)
    return args.tile == 6 ? transform_tiles<9, 4>(args, begin, end)
                          : transform_tiles<8, 4>(args, begin, end);
  switch (args.tile) {
    case 4:
      return transform_tiles<6, 3>(args, begin, end);
    case 5:
      return transform_tiles<7, 3>(args, begin, end);
    case 6:
      return transform_tiles<8, 3>(args, begin, end);
    default:
      return transform_tiles<9, 3>(args, begin, end);
  }
}

int64_t winograd_output_f32_items(const WinogradArgs& args) {
  return chunks_of(args, grid_of(args)).count * channel_blocks(args);
}

void winograd_output_f32(const WinogradArgs& args, int64_t begin, int64_t end, float* u,
                         float* products) {
  if (args.taps == 4)
    return args.tile == 6 ? products_and_output<9, 4>(args, begin, end, u, products)
                          : products_and_output<8, 4>(args, begin, end, u, products);
  switch (args.tile) {
    case 4:
      return products_and_output<6, 3>(args, begin, end, u, products);
    case 5:
      return products_and_output<7, 3>(args, begin, end, u, products);
    case 6:
      return products_and_output<8, 3>(args, begin, end, u, products);
    default:
      return products_and_output<9, 3>(args, begin, end, u, products);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
