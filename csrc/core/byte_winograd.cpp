#include "core/byte_winograd.h"

#include "core/maps.h"

namespace sqz {

ByteWinogradArgs ByteWinograd::args(const ByteView& x, const ByteView& y,
                                    const Memory& memory) const {
  return {x,
          y,
          static_cast<const std::int8_t*>(packed_.weight.data()),
          packed_.bias.data(),
          packed_.scale.data(),
          packed_.narrow,
          memory.points};
}

ByteWinograd::Part ByteWinograd::part_of(int h, int w) const {
  const auto area = [](int rows, int columns) { return static_cast<std::int64_t>(rows) * columns; };
  const Part whole = {h / kTile * kTile, w / kTile * kTile};
  const std::int64_t inside = area(whole.h, whole.w), rest = area(h, w) - inside;
  if (rest * table_.direct_cost >= area(whole_tiles(h), whole_tiles(w)) - inside) return {h, w};
  return inside ? whole : Part{0, 0};
}

// As in core/winograd.cpp, unused memory lies between the filters of two threads: as much as they
// take.
ByteWinograd::Memory ByteWinograd::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  const ByteView x = contiguous_view<std::uint8_t>(nullptr, n, h + 2, w + 2, packed_.in),
                 y = contiguous_view<std::uint8_t>(nullptr, n, h, w, packed_.out);
  const ByteWinogradArgs a = args(x, y, {});
  const std::size_t own = whole_lines(table_.winograd_i8_scratch(a));
  std::int16_t* points = scratch.take<std::int16_t>(table_.winograd_i8_points(a));
  return {points, scratch.take<std::byte>(2 * own * (threads - 1) + own), 2 * own};
}

void ByteWinograd::output(ThreadPool& pool, const ByteWinogradArgs& a, const Memory& memory) const {
  pool.run(table_.winograd_output_i8_items(a),
           [&](std::int64_t begin, std::int64_t end, int thread) {
             table_.winograd_output_i8(a, begin, end, memory.scratch + thread * memory.each);
           });
}

}  // namespace sqz
