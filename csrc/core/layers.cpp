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

Fire::Fire(const KernelTable& table, Packed squeeze, Packed expand1, Packed expand3)
    : table_(table),
      squeeze_(table, std::move(squeeze), 1, true),
      expand1_(table, std::move(expand1), 1, true),
      expand3_(table, std::move(expand3), 1, true) {}

// The squeezed map with a border of one pixel, which the 3x3 expand's padding reads.
std::size_t Fire::scratch(int n, int h, int w) const {
  return static_cast<std::size_t>(n) * (h + 2) * (w + 2) * squeeze_.packed().out;
}

void Fire::run(ThreadPool& pool, const View& x, float* scratch, const View& y) const {
  const View squeezed = contiguous_view(scratch, x.n, x.h + 2, x.w + 2, squeeze_.packed().out);
  const View map = inside(squeezed, 1);
  clear_border(squeezed);
  squeeze_.run(pool, x, nullptr, map);
  // Both expands read the same map and write different channels of y: one loop over the items
  // of both spares the pool a stop in between.
  const int split = expand1_.packed().out;
  const ConvArgs a1 = expand1_.args(map, channel_slice(y, 0, split));
  const ConvArgs a3 = expand3_.args(squeezed, channel_slice(y, split, expand3_.packed().out));
  const std::int64_t n3 = table_.conv_items(a3), n1 = table_.conv_items(a1);
  pool.run(n3 + n1, [&](std::int64_t begin, std::int64_t end) {
    if (begin < n3) table_.conv_f32(a3, begin, std::min(end, n3));
    if (end > n3) table_.conv_f32(a1, std::max(begin, n3) - n3, end - n3);
  });
}

std::size_t Classifier::scratch(int, int, int) const { return 0; }

void Classifier::run(ThreadPool& pool, const View& x, float*, float* logits) const {
  const int border = (x.h + 2 * padding_) * (x.w + 2 * padding_) - x.h * x.w;
  const ClassifierArgs a{x,           logits, packed_.weight.data(), packed_.bias.data(),
                         packed_.out, border};
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
