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
#include "kernels/f32/winograd_tiling.h"
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

// Calls body(down, across) with the transforms of a group's tiles: along the columns of a tile, and
// along its rows.
template <int kSide, int kTaps, typename Body>
SQZ_INLINE void with_transforms(int group, const Body& body) {
  constexpr Transform<kSide, kTaps> whole{};
  if constexpr (kTaps == 3 && kSide == kMaxTile + kTaps - 1) {
    constexpr Transform<kSide - kSmaller, kTaps, kSide> small{};
    if (group == 1) return body(whole, small);
    if (group == 2) return body(small, whole);
    if (group == 3) return body(small, small);
  }
  body(whole, whole);
}

// The factors of two transforms, once if they are the same.
template <typename First, typename Second>
struct FactorsOfBoth {
  First first;
  Second second;
};
template <typename First>
struct FactorsOfBoth<First, First> {
  First first;
  const First& second = first;
};

// The layout of points is [block of kConvMr tiles][point][tile][channel]. On AArch64 the last two
// are packed as described in aarch64/winograd_tile.h.
SQZ_INLINE ptrdiff_t point_stride(int width, int channels) {
  return static_cast<ptrdiff_t>(width) * channels + kPointPadding;
}

SQZ_INLINE float* points_of(const WinogradArgs& args, int64_t block) {
  const int side = args.tile + args.taps - 1;
  return args.points + block * (side * side) * point_stride(kConvMr, args.x.c);
}

template <typename Down, typename Across>
void transform_tile(const WinogradArgs& args, const TileGroup& group, int64_t tile) {
  constexpr int kHeight = Down::kLength, kWidth = Across::kLength;
  const Place place = place_of(group, tile);
  const float* x =
      args.x.data + place.n * args.x.image + place.y * args.x.row + place.x * args.x.pixel;
  // Beyond the lower and right edges a tile reads zeros.
  const int rows = min(args.x.h - place.y, kHeight), columns = min(args.x.w - place.x, kWidth);
  const int64_t block = group.block_of(tile);
  const int64_t in_block = tile - group.first_tile(block);
  float* points = points_of(args, group.blocks.before + block);
  const FactorsOfBoth<typename Down::InputFactors, typename Across::InputFactors> factors{};
  const ptrdiff_t next_point = point_stride(kConvMr, args.x.c), next_row = args.x.row;
  for (int first = 0; first < args.x.c; first += kLanes) {
#if defined(SQZ_AARCH64)
    const int c = first, left = min(args.x.c - c, kLanes);
    float* out = points + packed_place(in_block, c);
#else
    // The last register may overlap the one before it. Partial loads are needed only if there are
    // fewer channels than floats in a register.
    const int left = min(args.x.c, kLanes);
    const int c = first + left <= args.x.c ? first : args.x.c - left;
    float* out = points + in_block * args.x.c + c;
#endif
    Vec half[kWidth][kHeight];  // transformed along the columns: [column][point]
    if (rows == kHeight && columns == kWidth && left == kLanes) {
      const float* column = x + c;
      for (int j = 0; j < kWidth; ++j, column += args.x.pixel) {
        Vec d[kHeight];
        SQZ_UNROLL
        for (int i = 0; i < kHeight; ++i) d[i] = load(column + i * next_row);
        Down::input(factors.first, d, half[j]);
      }
    } else {
      for (int j = 0; j < kWidth; ++j) {
        Vec d[kHeight];
        SQZ_UNROLL
        for (int i = 0; i < kHeight; ++i) {
          const float* p = x + i * next_row + j * args.x.pixel + c;
          if (i >= rows || j >= columns)
            d[i] = zero();
          else
            d[i] = left == kLanes ? load(p) : load_n(p, left);
        }
        Down::input(factors.first, d, half[j]);
      }
    }
    for (int i = 0; i < kHeight; ++i) {
      Vec d[kWidth], v[kWidth];
      SQZ_UNROLL
      for (int j = 0; j < kWidth; ++j) d[j] = half[j][i];
      Across::input(factors.second, d, v);
      float* row = out + i * kWidth * next_point;
      SQZ_UNROLL
      for (int j = 0; j < kWidth; ++j) {
        if (left == kLanes)
          store(row + j * next_point, v[j]);
        else
          store_n(row + j * next_point, v[j], left);
      }
    }
  }
}

#if !defined(SQZ_AARCH64)

// y[tile * next + 0:kConvNr] = point[tile][:] . u[:][kConvNr]
template <int kTiles>
SQZ_INLINE void multiply_point(const float* point, ptrdiff_t channels, const float* u, float* y,
                               ptrdiff_t next) {
  Vec acc[kTiles][kConvNv];
  SQZ_UNROLL
  for (int m = 0; m < kTiles; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) acc[m][v] = zero();
  }
  const float* x[kTiles];
  SQZ_UNROLL
  for (int m = 0; m < kTiles; ++m) x[m] = point + m * channels;
  multiply_tile<kTiles>(x, channels, u, 0, acc);
  SQZ_UNROLL
  for (int m = 0; m < kTiles; ++m, y += next) {
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) store(y + v * kLanes, acc[m][v]);
  }
}

#endif

// products[tile][point][kConvNr] = points[point][tile][:] . u[point][:][kConvNr], for tiles of kHeight
// x kWidth points. The filters have kSide x kSide points, of which a small tile lacks some before the
// last one of a side.
template <int kTiles, int kHeight, int kWidth, int kSide>
SQZ_NOINLINE void multiply(const float* points, const float* u, int channels, float* products) {
  const ptrdiff_t next_filter = point_stride(kConvNr, channels);
  for (int i = 0; i < kHeight; ++i) {
    const float* row = u + (i + 1 < kHeight ? i : kSide - 1) * kSide * next_filter;
    for (int j = 0; j < kWidth; ++j) {
      const float* filter = row + (j + 1 < kWidth ? j : kSide - 1) * next_filter;
      multiply_point<kTiles>(points, channels, filter, products, kHeight * kWidth * kConvNr);
      points += point_stride(kConvMr, channels);
      products += kConvNr;
    }
  }
}

static_assert(kConvMr <= 8, "multiply_block() handles up to 8 tiles");

template <int kHeight, int kWidth, int kSide>
void multiply_block(int tiles, const float* points, const float* u, int channels, float* products) {
  const auto run = [&](auto some) { some(points, u, channels, products); };
#if defined(SQZ_AARCH64)
  (void)tiles;
#else
  if constexpr (kConvMr > 6) {
    if (tiles == 7) return run(multiply<7, kHeight, kWidth, kSide>);
    if (tiles == 6) return run(multiply<6, kHeight, kWidth, kSide>);
  }
  if constexpr (kConvMr > 4) {
    if (tiles == 5) return run(multiply<5, kHeight, kWidth, kSide>);
    if (tiles == 4) return run(multiply<4, kHeight, kWidth, kSide>);
  }
  if (tiles == 3) return run(multiply<3, kHeight, kWidth, kSide>);
  if (tiles == 2) return run(multiply<2, kHeight, kWidth, kSide>);
  if (tiles == 1) return run(multiply<1, kHeight, kWidth, kSide>);
#endif
  run(multiply<kConvMr, kHeight, kWidth, kSide>);
}

template <typename Down, typename Across>
void untransform_tile(const WinogradArgs& args, const TileGroup& group, int64_t tile,
                      const float* products, int first_channel) {
  constexpr int kHeight = Down::kTile, kWidth = Across::kTile, kColumns = Across::kLength;
  const Place place = place_of(group, tile);
  const int rows = min(args.y.h - place.y, kHeight), columns = min(args.y.w - place.x, kWidth);
  float* y = args.y.data + place.n * args.y.image + place.y * args.y.row + place.x * args.y.pixel +
             first_channel;
  const FactorsOfBoth<typename Down::OutputFactors, typename Across::OutputFactors> factors{};
  // Columns past the edge are written to the place of the last column, which is written after them.
  ptrdiff_t places[kWidth];
  for (int j = 0; j < kWidth; ++j) places[j] = min(j, columns - 1) * args.y.pixel;
  for (int v = 0; v < kConvNv; ++v) {
    const int left = args.y.c - first_channel - v * kLanes;
    if (left <= 0) break;
    const Vec bias = load(args.b + first_channel + v * kLanes);
    Vec half[kColumns][kHeight];  // [column][output row]
    for (int j = 0; j < kColumns; ++j) {
      Vec m[Down::kLength];
      SQZ_UNROLL
      for (int i = 0; i < Down::kLength; ++i)
        m[i] = load(products + (i * kColumns + j) * kConvNr + v * kLanes);
      // A value added to the point (1, 1) is added to each output.
      if (j == Across::kOne) m[Down::kOne] = add(m[Down::kOne], bias);
      Down::output(factors.first, m, half[j]);
    }
    float* row = y + v * kLanes;
    for (int i = 0; i < rows; ++i, row += args.y.row) {
      Vec m[kColumns], out[kWidth];
      SQZ_UNROLL
      for (int j = 0; j < kColumns; ++j) m[j] = half[j][i];
      Across::output(factors.second, m, out);
      rectify<kWidth>(args.relu, out);
      SQZ_UNROLL
      for (int j = kWidth - 1; j >= 0; --j) store_left(row + places[j], out[j], left);
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
struct Chunks {
  int64_t count, blocks;

  int64_t first_block(int64_t chunk) const { return chunk * blocks / count; }
};

Chunks chunks_of(const WinogradArgs& args, const Tiling& tiling) {
  const int64_t floats = tiling.points * args.x.c;
  return {min(ceil_div(floats, kChunkFloats), tiling.blocks), tiling.blocks};
}

int channel_blocks(const WinogradArgs& args) { return ceil_div(args.y.c, kConvNr); }

// The products of a block of tiles with the filters `u`.
template <int kSide, typename Down, typename Across>
void multiply_tiles(const WinogradArgs& args, const TileGroup& group, int64_t block, const float* u,
                    float* products) {
  multiply_block<Down::kLength, Across::kLength, kSide>(
      group.tiles_in(block), points_of(args, group.blocks.before + block), u, args.x.c, products);
}

template <typename Down, typename Across>
void untransform_tiles(const WinogradArgs& args, const TileGroup& group, int64_t block,
                       const float* products, int first_channel) {
  for (int64_t t = group.first_tile(block); t < group.first_tile(block + 1); ++t) {
    untransform_tile<Down, Across>(args, group, t, products, first_channel);
    products += Down::kLength * Across::kLength * kConvNr;
  }
}

template <int kSide, int kTaps>
void products_and_output(const WinogradArgs& args, int64_t begin, int64_t end, float* u,
                         float* products) {
  const Tiling tiling = tiling_of(args);
  const Chunks chunks = chunks_of(args, tiling);
  for (int64_t item = begin; item < end; ++item) {
    const int64_t chunk = item / channel_blocks(args);
    const int channel = static_cast<int>(item % channel_blocks(args)) * kConvNr;
    block_filters<kSide, kTaps>(args, channel, u);
    for_groups(
        tiling, &TileGroup::blocks, chunks.first_block(chunk), chunks.first_block(chunk + 1),
        [&](int group, int64_t first, int64_t last) {
          with_transforms<kSide, kTaps>(group, [&](auto down, auto across) {
            using Down = decltype(down);
            using Across = decltype(across);
            for (int64_t b = first; b < last; ++b) {
              multiply_tiles<kSide, Down, Across>(args, tiling.groups[group], b, u, products);
              untransform_tiles<Down, Across>(args, tiling.groups[group], b, products, channel);
            }
          });
        });
  }
}

template <int kSide, int kTaps>
void transform_tiles(const WinogradArgs& args, int64_t begin, int64_t end) {
  const Tiling tiling = tiling_of(args);
  for_groups(tiling, &TileGroup::tiles, begin, end, [&](int group, int64_t first, int64_t last) {
    with_transforms<kSide, kTaps>(group, [&](auto down, auto across) {
      for (int64_t tile = first; tile < last; ++tile)
        transform_tile<decltype(down), decltype(across)>(args, tiling.groups[group], tile);
    });
  });
}

}  // namespace

int64_t winograd_input_f32_items(const WinogradArgs& args) { return tiling_of(args).tiles; }

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
  return chunks_of(args, tiling_of(args)).count * channel_blocks(args);
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
