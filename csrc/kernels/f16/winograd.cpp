// Stride-1 convolution, bias and ReLU in half precision by Winograd's algorithm with 6 x 6 points, as
// in f32/winograd.cpp: the expand 3x3 with 4 x 4 outputs a tile, and the 7x7 stem, whose stride has
// been removed by rearranging its input, with 3 x 3.
//
// More points would need fewer products, but with 8 x 8 the error is ten times as large.
#include "kernels/f16/kernels.h"
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

// Stores a register and advances to the next point.
SQZ_INLINE void put(Vec v, ptrdiff_t next, Half** to) {
  // One instruction does both, which compilers do not know.
  __asm__ volatile("st1 {%1.8h}, [%0], %2"
                   : "+r"(*to)
                   : "w"(v), "r"(next * static_cast<ptrdiff_t>(sizeof(Half)))
                   : "memory");
}

void transform_tile(const HalfWinogradArgs& args, const TileGrid& grid, int64_t tile) {
  const Place at = place_of(grid, tile);
  const ptrdiff_t pixel = args.x.pixel, next_row = args.x.row;
  const Half* x = args.x.data + at.image * args.x.image + at.row * next_row + at.column * pixel;
  // Beyond the lower and right edges a tile reads zeros.
  const int rows = min(args.x.h - at.row, kSide), columns = min(args.x.w - at.column, kSide);
  const Vec factors = transform_factors();
  Half* out = points_of(args, tile / kTilePixels) + tile % kTilePixels * kLanes;
  const ptrdiff_t next_point = point_stride(args.x.c);
  for (int first = 0; first < args.x.c; first += kLanes, x += kLanes, out += kTilePixels * kLanes) {
    const int left = min(args.x.c - first, kLanes);
    Vec half[kSide][kSide];  // transformed along the columns: [column][point]
    if (rows == kSide && columns == kSide && left == kLanes) {
      const Half* column = x;
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j, column += pixel) {
        Vec d[kSide];
        SQZ_UNROLL
        for (int i = 0; i < kSide; ++i) d[i] = load(column + i * next_row);
        transform_input(factors, d, half[j]);
      }
    } else {
      for (int j = 0; j < kSide; ++j) {
        Vec d[kSide];
        for (int i = 0; i < kSide; ++i)
          d[i] = i < rows && j < columns ? load_n(x + i * next_row + j * pixel, left) : zero();
        transform_input(factors, d, half[j]);
      }
    }
    Half* to = out;
    SQZ_UNROLL
    for (int i = 0; i < kSide; ++i) {
      Vec d[kSide], v[kSide];
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) d[j] = half[j][i];
      transform_input(factors, d, v);
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) put(v[j], next_point, &to);
    }
  }
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

// products[tile][point][kConvNr] = points[point][tile][:] . u[point][:][kConvNr]
SQZ_NOINLINE void multiply_block(const Half* points, const Half* u, int channels, Half* products) {
  for (int p = 0; p < kPoints; ++p) {
    multiply_point(points, channels, u, products + p * kConvNr, kPoints * kConvNr);
    points += point_stride(channels);
    u += filter_stride(channels);
  }
}

// Transforms a register of a tile's products to outputs: out[row][column].
template <int kTile>
SQZ_INLINE void transform_products(const Half* products, Vec bias, Vec (*out)[kTile]) {
  const Vec factors = transform_factors();
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
    for (int j = 0; j < kTile; ++j) out[i][j] = rectified(add(out[i][j], bias));
  }
}

// The place of a tile in the output, of which it may lack the last rows, columns and channels.
struct Part {
  Half* y;
  ptrdiff_t row, pixel;
  int rows, columns, channels;
};

template <int kTile>
SQZ_NOINLINE void store_tile(const Part& part, const Half* products, const Half* bias) {
  // Missing columns are written to the place of the last one, which is written after them.
  ptrdiff_t places[kTile];
  SQZ_UNROLL
  for (int j = 0; j < kTile; ++j) places[j] = min(j, part.columns - 1) * part.pixel;
  for (int v = 0; v < kConvNr; v += kLanes) {
    Vec out[kTile][kTile];
    transform_products<kTile>(products + v, load(bias + v), out);
    Half* row = part.y + v;
    SQZ_UNROLL
    for (int i = 0; i < kTile; ++i, row += part.row) {
      if (i >= part.rows) break;
      SQZ_UNROLL
      for (int j = kTile - 1; j >= 0; --j) store(row + places[j], out[i][j]);
    }
  }
}

// The same for a tile with fewer channels than kConvNr.
template <int kTile>
SQZ_NOINLINE void store_channels(const Part& part, const Half* products, const Half* bias) {
  Half whole[kTile][kTile][kConvNr];
  store_tile<kTile>({whole[0][0], kTile * kConvNr, kConvNr, kTile, kTile, kConvNr}, products, bias);
  for (int i = 0; i < part.rows; ++i)
    for (int j = 0; j < part.columns; ++j)
      memcpy(part.y + i * part.row + j * part.pixel, whole[i][j], part.channels * sizeof(Half));
}

template <int kTile>
void untransform_tile(const HalfWinogradArgs& args, const TileGrid& grid, int64_t tile,
                      const Half* products, int first_channel) {
  const Place at = place_of(grid, tile);
  const HalfView& y = args.y;
  Half* const first =
      y.data + at.image * y.image + at.row * y.row + at.column * y.pixel + first_channel;
  const Part part = {first,
                     y.row,
                     y.pixel,
                     min(y.h - at.row, kTile),
                     min(y.w - at.column, kTile),
                     min(y.c - first_channel, kConvNr)};
  if (part.channels == kConvNr)
    store_tile<kTile>(part, products, args.b + first_channel);
  else
    store_channels<kTile>(part, products, args.b + first_channel);
}

// An item is a chunk of tile blocks for one block of output channels, whose filters it transforms.
// A chunk's points stay in the L2 cache while the channel blocks are computed.
constexpr int64_t kChunkHalves = 112 * 1024;

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
void products_and_output(const HalfWinogradArgs& args, int64_t begin, int64_t end, Half* u,
                         Half* products) {
  const TileGrid grid = grid_of(args);
  const Chunks chunks = chunks_of(args, grid);
  for (int64_t item = begin; item < end; ++item) {
    const int64_t chunk = item / channel_blocks(args);
    const int channel = static_cast<int>(item % channel_blocks(args)) * kConvNr;
    const ptrdiff_t before = static_cast<ptrdiff_t>(channel) * kTaps * kTaps * args.x.c;
    transform_filters<kTaps>(args.w + before, args.x.c, u);
    for (int64_t b = chunks.first_block(chunk); b < chunks.first_block(chunk + 1); ++b) {
      multiply_block(points_of(args, b), u, args.x.c, products);
      const int64_t first = b * kTilePixels;
      const int tiles = static_cast<int>(min<int64_t>(grid.tiles - first, kTilePixels));
      for (int t = 0; t < tiles; ++t)
        untransform_tile<kSide + 1 - kTaps>(args, grid, first + t, products + t * kPoints * kConvNr,
                                            channel);
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
  for (int64_t tile = begin; tile < end; ++tile) transform_tile(args, grid, tile);
}

int64_t winograd_output_f16_items(const HalfWinogradArgs& args) {
  return chunks_of(args, grid_of(args)).count * channel_blocks(args);
}

void winograd_output_f16(const HalfWinogradArgs& args, int64_t begin, int64_t end, void* scratch) {
  Half* products = static_cast<Half*>(scratch);
  if (args.taps == 4)
    products_and_output<4>(args, begin, end, products + kProducts, products);
  else
    products_and_output<3>(args, begin, end, products + kProducts, products);
}

}  // namespace SQZ_ISA
}  // namespace sqz
