#include "core/winograd.h"

#include <algorithm>

namespace sqz {
namespace {

std::int64_t tiles_of(int n, int h, int w, int tile) {
  return static_cast<std::int64_t>(n) * ((h + tile - 1) / tile) * ((w + tile - 1) / tile);
}

std::size_t points_of(int tile, int taps) {
  const std::size_t side = tile + taps - 1;
  return side * side;
}

}  // namespace

int Winograd::tile(int h, int w) const {
  if (tile_ != 0) return tile_;
  // The cost is proportional to the number of points, for the tiles and for the filter transform.
  int best = kMinTile;
  std::int64_t least_cost = 0;
  for (int tile = kMinTile; tile <= table_.max_tile; ++tile) {
    const std::int64_t step = table_.tile_step;
    const std::int64_t multiplied = (tiles_of(1, h, w, tile) + step - 1) / step * step;
    const std::int64_t cost =
        static_cast<std::int64_t>(points_of(tile, 3)) * (multiplied + table_.filter_tiles);
    if (least_cost == 0 || cost < least_cost) least_cost = cost, best = tile;
  }
  return best;
}

std::size_t Winograd::point_floats(int n, int h, int w) const {
  const std::size_t tiles = tiles_of(n, h, w, tile(h, w)), mr = table_.conv_mr;
  return (tiles + mr - 1) / mr * points_of(tile(h, w), packed_.kh) *
         (mr * packed_.in + kPointPadding);
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
  float* points = scratch.take<float>(point_floats(n, h, w));
  const int side = tile(h, w);
  const std::size_t last = filter_floats(side) + product_floats(side);
  return {points, scratch.take<float>(thread_floats(side) * (threads - 1) + last)};
}

WinogradArgs Winograd::args(const View& x, const View& y, const Memory& memory) const {
  return {
      x,    y, packed_.weights(), packed_.bias.data(), memory.points, packed_.kh, tile(y.h, y.w),
      relu_};
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
