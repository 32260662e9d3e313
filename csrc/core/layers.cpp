#include "core/layers.h"

#include <algorithm>
#include <utility>

namespace sqz {

int pooled_size(int size, bool ceil_mode) {
  if (ceil_mode) return size < 2 ? 0 : (size - 2) / 2 + 1;
  return size < 3 ? 0 : (size - 3) / 2 + 1;
}

View contiguous_view(float* data, int n, int h, int w, int c) {
  const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(w) * c;
  return {data, n, h, w, c, c, row, row * h};
}

View channel_slice(const View& v, int first, int count) {
  View slice = v;
  slice.data += first;
  slice.c = count;
  return slice;
}

View inside(const View& v, int border) {
  View in = v;
  in.data += border * (v.row + v.pixel);
  in.h -= 2 * border;
  in.w -= 2 * border;
  return in;
}

namespace {

// One pixel of zeros around every image: arenas are reused, so it is written each time.
void clear_border(const View& v) {
  const auto clear = [&](float* row, int columns) {
    for (int x = 0; x < columns; ++x) std::fill_n(row + x * v.pixel, v.c, 0.0f);
  };
  for (int n = 0; n < v.n; ++n) {
    float* image = v.data + n * v.image;
    clear(image, v.w);
    clear(image + (v.h - 1) * v.row, v.w);
    for (int y = 1; y < v.h - 1; ++y) {
      clear(image + y * v.row, 1);
      clear(image + y * v.row + (v.w - 1) * v.pixel, 1);
    }
  }
}

}  // namespace

ConvArgs Conv::args(const View& x, const View& y) const {
  return {x, y, packed_.weight.data(), packed_.bias.data(), packed_.kh, packed_.kw, stride_, relu_};
}

std::size_t Conv::scratch(int, int, int) const { return 0; }

void Conv::run(ThreadPool& pool, const View& x, float*, const View& y) const {
  const ConvArgs a = args(x, y);
  pool.run(table_.conv_items(a),
           [&](std::int64_t begin, std::int64_t end) { table_.conv_f32(a, begin, end); });
}

Fire::Fire(const KernelTable& table, Packed squeeze, Packed expand1, Packed expand3, int tile)
    : table_(table),
      squeeze_(table, std::move(squeeze), 1, true),
      expand1_(table, std::move(expand1), 1, true),
      expand3_(std::move(expand3)),
      tile_(tile) {}

// The squeezed map with a border of one pixel for the 3x3 expand's padding, then the tiles of
// the 3x3 expand in Winograd's domain.
std::size_t Fire::scratch(int n, int h, int w) const {
  const std::size_t tiles =
      static_cast<std::size_t>(n) * ((h + tile_ - 1) / tile_) * ((w + tile_ - 1) / tile_);
  const std::size_t mr = table_.conv_mr, points = (tile_ + 2) * (tile_ + 2);
  return squeezed_floats(n, h, w) + (tiles + mr - 1) / mr * mr * points * expand3_.in;
}

std::size_t Fire::squeezed_floats(int n, int h, int w) const {
  const std::size_t floats = static_cast<std::size_t>(n) * (h + 2) * (w + 2) * expand3_.in;
  return (floats + 15) / 16 * 16;
}

void Fire::run(ThreadPool& pool, const View& x, float* scratch, const View& y) const {
  const View squeezed = contiguous_view(scratch, x.n, x.h + 2, x.w + 2, expand3_.in);
  const View map = inside(squeezed, 1);
  clear_border(squeezed);
  const ConvArgs a0 = squeeze_.args(x, map);
  pool.run(table_.squeeze_items(a0),
           [&](std::int64_t begin, std::int64_t end) { table_.squeeze_f32(a0, begin, end); });
  const int split = expand1_.packed().out;
  const ConvArgs a1 = expand1_.args(map, channel_slice(y, 0, split));
  const WinogradArgs a3{squeezed,
                        channel_slice(y, split, expand3_.out),
                        expand3_.weight.data(),
                        expand3_.bias.data(),
                        scratch + squeezed_floats(x.n, x.h, x.w),
                        tile_};
  // The 1x1 expand and the 3x3 expand's input transform both read the squeezed map only: one
  // loop over the items of both spares the pool a stop in between.
  const std::int64_t n1 = table_.conv_items(a1), n3 = table_.winograd_input_items(a3);
  pool.run(n1 + n3, [&](std::int64_t begin, std::int64_t end) {
    if (begin < n1) table_.conv_f32(a1, begin, std::min(end, n1));
    if (end > n1) table_.winograd_input_f32(a3, std::max(begin, n1) - n1, end - n1);
  });
  pool.run(table_.winograd_output_items(a3), [&](std::int64_t begin, std::int64_t end) {
    table_.winograd_output_f32(a3, begin, end);
  });
}

ClassifierArgs Classifier::args(const View& x, float* scratch, float* logits) const {
  const int border = (x.h + 2 * padding_) * (x.w + 2 * padding_) - x.h * x.w;
  return {x,
          logits,
          packed_.weight.data(),
          packed_.bias.data(),
          packed_.out,
          border,
          reinterpret_cast<std::int32_t*>(scratch)};
}

std::size_t Classifier::scratch(int n, int h, int w) const {
  const View x = contiguous_view(nullptr, n, h, w, packed_.in);
  return static_cast<std::size_t>(table_.classifier_lists(args(x, nullptr, nullptr)));
}

void Classifier::run(ThreadPool& pool, const View& x, float* scratch, float* logits) const {
  const ClassifierArgs a = args(x, scratch, logits);
  pool.run(table_.classifier_list_items(a), [&](std::int64_t begin, std::int64_t end) {
    table_.classifier_list_f32(a, begin, end);
  });
  pool.run(table_.classifier_items(a),
           [&](std::int64_t begin, std::int64_t end) { table_.classifier_f32(a, begin, end); });
}

void max_pool(const KernelTable& table, ThreadPool& pool, const View& x, const View& y) {
  const MaxPoolArgs a{x, y};
  pool.run(table.maxpool_items(a),
           [&](std::int64_t begin, std::int64_t end) { table.maxpool_f32(a, begin, end); });
}

void add(const KernelTable& table, ThreadPool& pool, const View& a, const View& b, const View& y) {
  const AddArgs args{a, b, y};
  pool.run(table.add_items(args),
           [&](std::int64_t begin, std::int64_t end) { table.add_f32(args, begin, end); });
}

}  // namespace sqz
