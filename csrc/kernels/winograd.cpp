// 3x3 convolution with padding 1, bias and ReLU by Winograd's F(m x m, 3 x 3): the expand 3x3.
//
// Two kernels. The first takes every tile of (m + 2)^2 input pixels to its (m + 2)^2 points,
// registers running over channels. The second multiplies, point by point, tiles x squeeze by
// squeeze x expand, and transforms the products of kConvMr tiles and kConvNr channels back while
// they are in the first cache: the product map, which is as large as the output times
// ((m + 2) / m)^2, is never in memory. Tiles of 5 x 5 need 49 / 225 of the multiplications and
// divide SqueezeNet's 55 x 55 maps evenly.
#include "sqz/winograd.h"

#include "vec.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// One-dimensional transforms for a tile of kTile outputs. `even` and `odd` name the terms that
// a pair +p, -p adds and subtracts.
template <int kTile>
struct Transform {
  static constexpr int kPairs = winograd::pairs(kTile);
  static constexpr int kZero = winograd::has_zero(kTile);
  static constexpr int kSide = winograd::side(kTile);

  static constexpr double square(int pair) {
    return winograd::kPairPoints[pair] * winograd::kPairPoints[pair];
  }

  // Coefficient of t^power in the product of (t - p^2) over all pairs but `skip`.
  static constexpr double coefficient(int power, int skip) {
    double c[kPairs + 1] = {1.0};
    int degree = 0;
    for (int i = 0; i < kPairs; ++i) {
      if (i == skip) continue;
      for (int k = ++degree; k > 0; --k) c[k] = c[k - 1] - square(i) * c[k];
      c[0] *= -square(i);
    }
    return power <= degree ? c[power] : 0.0;
  }

  template <int kSkip>
  SQZ_INLINE Vec polynomial(const Vec* d) {
    constexpr int kDegree = kSkip < kPairs ? kPairs - 1 : kPairs;
    Vec sum = d[2 * kDegree];  // every product of (t - p^2) is monic
    if constexpr (kDegree >= 1) {
      constexpr float c = static_cast<float>(coefficient(kDegree - 1, kSkip));
      sum = fma(broadcast(c), d[2 * kDegree - 2], sum);
    }
    if constexpr (kDegree >= 2) {
      constexpr float c = static_cast<float>(coefficient(kDegree - 2, kSkip));
      sum = fma(broadcast(c), d[2 * kDegree - 4], sum);
    }
    if constexpr (kDegree >= 3) {
      constexpr float c = static_cast<float>(coefficient(kDegree - 3, kSkip));
      sum = fma(broadcast(c), d[2 * kDegree - 6], sum);
    }
    return sum;
  }

  template <int kPair>
  SQZ_INLINE void input_pair(const Vec* d, Vec* out) {
    const Vec even = polynomial<kPair>(d + kZero + 1);
    const Vec odd = polynomial<kPair>(d + kZero);
    const Vec p = broadcast(static_cast<float>(winograd::kPairPoints[kPair]));
    out[kZero + 2 * kPair] = fma(p, odd, even);
    out[kZero + 2 * kPair + 1] = fnma(p, odd, even);
  }

  // kSide input samples to kSide points.
  SQZ_INLINE void input(const Vec* d, Vec* out) {
    if constexpr (kZero) out[0] = polynomial<kPairs>(d);
    input_pair<0>(d, out);
    if constexpr (kPairs > 1) input_pair<1>(d, out);
    if constexpr (kPairs > 2) input_pair<2>(d, out);
    out[kSide - 1] = polynomial<kPairs>(d + kZero);
  }

  template <int kPair>
  static constexpr float power(int exponent) {
    double p = 1.0;
    for (int i = 0; i < exponent; ++i) p *= winograd::kPairPoints[kPair];
    return static_cast<float>(p);
  }

  // kSide points to kTile output samples.
  SQZ_INLINE void output(const Vec* m, Vec* out) {
    Vec sum[kPairs], difference[kPairs];
    SQZ_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      sum[i] = add(m[kZero + 2 * i], m[kZero + 2 * i + 1]);
      difference[i] = sub(m[kZero + 2 * i], m[kZero + 2 * i + 1]);
    }
    SQZ_UNROLL
    for (int o = 0; o < kTile; ++o) {
      const Vec* half = o % 2 ? difference : sum;
      Vec y = half[0];  // the first point is 1, whose powers are 1
      if constexpr (kPairs > 1) y = fma(broadcast(power<1>(o)), half[1], y);
      if constexpr (kPairs > 2) y = fma(broadcast(power<2>(o)), half[2], y);
      if (kZero && o == 0) y = add(y, m[0]);
      if (o == kTile - 1) y = add(y, m[kSide - 1]);
      out[o] = y;
    }
  }
};

struct TileGrid {
  int rows, columns;
  int64_t tiles;
};

TileGrid grid_of(const WinogradArgs& a) {
  const int rows = (a.y.h + a.tile - 1) / a.tile, columns = (a.y.w + a.tile - 1) / a.tile;
  return {rows, columns, static_cast<int64_t>(a.y.n) * rows * columns};
}

// Points lie as [block of kConvMr tiles][point][tile][channel].
template <int kTile>
SQZ_INLINE float* points_of(const WinogradArgs& a, int64_t block) {
  constexpr int kPoints = Transform<kTile>::kSide * Transform<kTile>::kSide;
  return a.points + block * (kPoints * kConvMr) * a.x.c;
}

template <int kTile>
void transform_tile(const WinogradArgs& a, const TileGrid& grid, int64_t tile) {
  using T = Transform<kTile>;
  constexpr int kSide = T::kSide;
  const int64_t n = tile / (static_cast<int64_t>(grid.rows) * grid.columns);
  const int ty = static_cast<int>(tile / grid.columns % grid.rows) * kTile;
  const int tx = static_cast<int>(tile % grid.columns) * kTile;
  const float* x = a.x.data + n * a.x.image + ty * a.x.row + tx * a.x.pixel;
  // A tile may hang over the lower and right edge: there it reads zeros.
  const int rows = a.x.h - ty < kSide ? a.x.h - ty : kSide;
  const int columns = a.x.w - tx < kSide ? a.x.w - tx : kSide;
  float* out = points_of<kTile>(a, tile / kConvMr) + tile % kConvMr * a.x.c;
  const ptrdiff_t next_point = static_cast<ptrdiff_t>(kConvMr) * a.x.c;
  for (int c = 0; c < a.x.c; c += kLanes) {
    const int left = a.x.c - c < kLanes ? a.x.c - c : kLanes;
    Vec half[kSide][kSide];  // transformed along the columns: [column][point]
    for (int j = 0; j < kSide; ++j) {
      Vec d[kSide];
      SQZ_UNROLL
      for (int i = 0; i < kSide; ++i) {
        const float* p = x + i * a.x.row + j * a.x.pixel + c;
        if (i >= rows || j >= columns)
          d[i] = zero();
        else
          d[i] = left == kLanes ? load(p) : load_n(p, left);
      }
      T::input(d, half[j]);
    }
    for (int i = 0; i < kSide; ++i) {
      Vec d[kSide], v[kSide];
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) d[j] = half[j][i];
      T::input(d, v);
      float* row = out + i * kSide * next_point + c;
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
    for (ptrdiff_t k = 0; k < row; ++k, u += kConvNr) {
      Vec w[kConvNv];
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) w[v] = load(u + v * kLanes);
      SQZ_UNROLL
      for (int m = 0; m < kTiles; ++m) {
        const Vec xv = broadcast(x[m][k]);
        SQZ_UNROLL
        for (int v = 0; v < kConvNv; ++v) acc[m][v] = fma(xv, w[v], acc[m][v]);
      }
    }
    points += kConvMr * row;
    SQZ_UNROLL
    for (int m = 0; m < kTiles; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v)
        store(products + (m * kPoints + p) * kConvNr + v * kLanes, acc[m][v]);
    }
  }
}

static_assert(kConvMr <= 8, "multiply_block() knows up to 8 tiles");

template <int kPoints>
void multiply_block(int tiles, const float* points, const float* u, int channels, float* products) {
  if constexpr (kConvMr > 6) {
    if (tiles == 8) return multiply<8, kPoints>(points, u, channels, products);
    if (tiles == 7) return multiply<7, kPoints>(points, u, channels, products);
  }
  if constexpr (kConvMr > 4) {
    if (tiles == 6) return multiply<6, kPoints>(points, u, channels, products);
    if (tiles == 5) return multiply<5, kPoints>(points, u, channels, products);
  }
  if (tiles == 4) return multiply<4, kPoints>(points, u, channels, products);
  if (tiles == 3) return multiply<3, kPoints>(points, u, channels, products);
  if (tiles == 2) return multiply<2, kPoints>(points, u, channels, products);
  multiply<1, kPoints>(points, u, channels, products);
}

template <int kTile>
void untransform_tile(const WinogradArgs& a, const TileGrid& grid, int64_t tile,
                      const float* products, int first_channel) {
  using T = Transform<kTile>;
  constexpr int kSide = T::kSide;
  const int64_t n = tile / (static_cast<int64_t>(grid.rows) * grid.columns);
  const int ty = static_cast<int>(tile / grid.columns % grid.rows) * kTile;
  const int tx = static_cast<int>(tile % grid.columns) * kTile;
  const int rows = a.y.h - ty < kTile ? a.y.h - ty : kTile;
  const int columns = a.y.w - tx < kTile ? a.y.w - tx : kTile;
  float* y = a.y.data + n * a.y.image + ty * a.y.row + tx * a.y.pixel + first_channel;
  for (int v = 0; v < kConvNv; ++v) {
    const int left = a.y.c - first_channel - v * kLanes;
    if (left <= 0) break;
    const Vec bias = load(a.b + first_channel + v * kLanes);
    Vec half[kSide][kTile];  // [column][output row]
    for (int j = 0; j < kSide; ++j) {
      Vec m[kSide];
      SQZ_UNROLL
      for (int i = 0; i < kSide; ++i)
        m[i] = load(products + (i * kSide + j) * kConvNr + v * kLanes);
      T::output(m, half[j]);
    }
    for (int i = 0; i < rows; ++i) {
      Vec m[kSide], out[kTile];
      SQZ_UNROLL
      for (int j = 0; j < kSide; ++j) m[j] = half[j][i];
      T::output(m, out);
      float* row = y + i * a.y.row + v * kLanes;
      SQZ_UNROLL
      for (int j = 0; j < kTile; ++j) {
        if (j >= columns) break;
        const Vec result = max(add(out[j], bias), zero());
        if (left >= kLanes)
          store(row + j * a.y.pixel, result);
        else
          store_n(row + j * a.y.pixel, result, left);
      }
    }
  }
}

int64_t tile_blocks(const TileGrid& grid) { return (grid.tiles + kConvMr - 1) / kConvMr; }

template <int kTile>
void products_and_output(const WinogradArgs& a, int64_t begin, int64_t end) {
  constexpr int kPoints = Transform<kTile>::kSide * Transform<kTile>::kSide;
  alignas(64) float products[kConvMr * kPoints * kConvNr];
  const TileGrid grid = grid_of(a);
  const int64_t blocks = tile_blocks(grid);
  for (int64_t item = begin; item < end; ++item) {
    // Tiles change fastest: one block of transformed weights serves them all from cache.
    const int64_t block = item % blocks;
    const int channel = static_cast<int>(item / blocks) * kConvNr;
    const int64_t first = block * kConvMr;
    const int tiles = static_cast<int>(grid.tiles - first < kConvMr ? grid.tiles - first : kConvMr);
    multiply_block<kPoints>(tiles, points_of<kTile>(a, block),
                            a.u + static_cast<ptrdiff_t>(channel) * kPoints * a.x.c, a.x.c,
                            products);
    for (int t = 0; t < tiles; ++t)
      untransform_tile<kTile>(a, grid, first + t, products + t * kPoints * kConvNr, channel);
  }
}

}  // namespace

int64_t winograd_input_items(const WinogradArgs& a) { return grid_of(a).tiles; }

void winograd_input_f32(const WinogradArgs& a, int64_t begin, int64_t end) {
  const TileGrid grid = grid_of(a);
  for (int64_t tile = begin; tile < end; ++tile) {
    switch (a.tile) {
      case 2:
        transform_tile<2>(a, grid, tile);
        break;
      case 3:
        transform_tile<3>(a, grid, tile);
        break;
      case 4:
        transform_tile<4>(a, grid, tile);
        break;
      case 5:
        transform_tile<5>(a, grid, tile);
        break;
      default:
        transform_tile<6>(a, grid, tile);
        break;
    }
  }
}

int64_t winograd_output_items(const WinogradArgs& a) {
  return tile_blocks(grid_of(a)) * ((a.y.c + kConvNr - 1) / kConvNr);
}

void winograd_output_f32(const WinogradArgs& a, int64_t begin, int64_t end) {
  switch (a.tile) {
    case 2:
      return products_and_output<2>(a, begin, end);
    case 3:
      return products_and_output<3>(a, begin, end);
    case 4:
      return products_and_output<4>(a, begin, end);
    case 5:
      return products_and_output<5>(a, begin, end);
    default:
      return products_and_output<6>(a, begin, end);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
