#include "core/winograd.h"

#include <algorithm>

namespace sqz {
namespace {

// The difference of a small tile's side.
constexpr int kSmaller = 2;

TilesOfSide divided(int size, int tile, bool with_small) {
  const int count = (size + tile - 1) / tile;
  const int small = with_small ? std::min(count, (count * tile - size) / kSmaller) : 0;
  return {count - small, small};
}

std::size_t points_of(int tile, int taps) {
  const std::size_t side = tile + taps - 1;
  return side * side;
}

// Calls each(tiles, height, width) for the up to four shapes of tiles, with the number of tiles in
// an image, and their sides.
template <typename Each>
void for_shapes(const WinogradTiles& tiles, const Each& each) {
  for (int low = 0; low < 2; ++low)
    for (int narrow = 0; narrow < 2; ++narrow) {
      const std::int64_t rows = low ? tiles.rows.small : tiles.rows.whole;
      const std::int64_t columns = narrow ? tiles.columns.small : tiles.columns.whole;
      each(rows * columns, tiles.tile - low * kSmaller, tiles.tile - narrow * kSmaller);
    }
}

}  // namespace

// The time of one image in products of a tile and a point. The filters are transformed, then blocks
// of tiles are multiplied.
std::int64_t Winograd::cost(const WinogradTiles& tiles) const {
  const int border = packed_.kh - 1;
  std::int64_t sum =
      static_cast<std::int64_t>(points_of(tiles.tile, packed_.kh)) * table_.filter_tiles;
  for_shapes(tiles, [&](std::int64_t count, int height, int width) {
    const std::int64_t blocks = (count + table_.conv_mr - 1) / table_.conv_mr;
    sum += std::max(count, blocks * table_.least_tiles) * (height + border) * (width + border);
  });
  return sum;
}

WinogradTiles Winograd::tiles(int h, int w) const {
  WinogradTiles best{};
  std::int64_t least_cost = 0;
  const int first = tile_ ? tile_ : kMinTile, last = tile_ ? tile_ : table_.max_tile;
  for (int tile = first; tile <= last; ++tile) {
    const bool may_be_small = tile == table_.max_tile && packed_.kh == 3;
    for (int choice = 0; choice < (may_be_small ? 4 : 1); ++choice) {
      const WinogradTiles tiles{tile, divided(h, tile, choice / 2), divided(w, tile, choice % 2)};
      const std::int64_t time = cost(tiles);
      if (least_cost == 0 || time < least_cost) least_cost = time, best = tiles;
    }
  }
  return best;
}

std::size_t Winograd::point_floats(int n, const WinogradTiles& tiles) const {
  const std::size_t mr = table_.conv_mr;
  std::size_t blocks = 0;
  for_shapes(tiles, [&](std::int64_t count, int, int) { blocks += (n * count + mr - 1) / mr; });
  return blocks * points_of(tiles.tile, packed_.kh) * (mr * packed_.in + kPointPadding);
}

std::size_t Winograd::filter_floats(int tile) const {
  const std::size_t each = static_cast<std::size_t>(packed_.in) * table_.conv_nr;
  const std::size_t floats = points_of(tile, packed_.kh) * (each + kPointPadding);
  return whole_lines(floats * sizeof(float)) / sizeof(float);
}

std::size_t Winograd::product_floats(int tile) const {
  const std::size_t each = static_cast<std::size_t>(table_.conv_mr) * table_.conv_nr;
  return whole_lines(points_of(tile, packed_.kh) * each * sizeof(float)) / sizeof(float);
}

// Each thread has its own transformed filters, then its products, then unused memory. A thread
// writes its filters with a stride of whole pages. The hardware prefetcher recognizes the stride
// and continues far past the end. Without the gap, it would fetch cache lines that another core is
// writing. On Zen 4, that core then took 1.7 to 6 times as long. So at least as much memory as the
// filters take lies between them and the next thread's, and as much as the products take after
// these.
std::size_t Winograd::thread_floats(int tile) const {
  const std::size_t filters = filter_floats(tile);
  return filters + std::max(filters, 2 * product_floats(tile));
}

Winograd::Memory Winograd::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  const WinogradTiles chosen = tiles(h, w);
  float* points = scratch.take<float>(point_floats(n, chosen));
  const int side = chosen.tile;
  const std::size_t last = filter_floats(side) + product_floats(side);
  return {points, scratch.take<float>(thread_floats(side) * (threads - 1) + last)};
}

WinogradArgs Winograd::args(const View& x, const View& y, const Memory& memory) const {
  const WinogradTiles chosen = tiles(y.h, y.w);
  return {x,          y,           packed_.weights(), packed_.bias.data(),  memory.points,
          packed_.kh, chosen.tile, chosen.rows.small, chosen.columns.small, relu_};
}

void Winograd::run(ThreadPool& pool, const WinogradArgs& a, const Memory& memory) const {
  pool.run(input_items(a),
           [&](std::int64_t begin, std::int64_t end, int) { input(a, begin, end); });
  output(pool, a, memory);
}

void Winograd::output(ThreadPool& pool, const WinogradArgs& a, const Memory& memory) const {
  const std::size_t next = thread_floats(a.tile), filters = filter_floats(a.tile);
  pool.run(table_.winograd_output_f32_items(a),
           [&](std::int64_t begin, std::int64_t end, int thread) {
             float* own = memory.filters + thread * next;
             table_.winograd_output_f32(a, begin, end, own, own + filters);
           });
}

}  // namespace sqz
