// Parts of maps, and the zero border of a padded convolution's input, for any type of values.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/scratch.h"
#include "sqz/views.h"

namespace sqz {

// Output size of pooling with windows of size 3 and stride 2. In ceil mode, a clipped last window
// counts if it starts inside the map, as in Caffe and PyTorch. The size is 0 if no window fits.
int pooled_size(int size, bool ceil_mode);

template <typename T>
MapView<T> contiguous_view(T* data, int n, int h, int w, int c) {
  const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(w) * c;
  return {data, n, h, w, c, c, row, row * h};
}

// The channels [first, first + count) of a view.
template <typename T>
MapView<T> channel_slice(const MapView<T>& v, int first, int count) {
  MapView<T> slice = v;
  slice.data += first;
  slice.c = count;
  return slice;
}

// The rows [first, first + count) of every image of a view.
template <typename T>
MapView<T> rows_of(const MapView<T>& v, int first, int count) {
  MapView<T> rows = v;
  rows.data += first * v.row;
  rows.h = count;
  return rows;
}

// The first h rows and w columns of every image of a view.
template <typename T>
MapView<T> corner_of(const MapView<T>& v, int h, int w) {
  MapView<T> corner = v;
  corner.h = h;
  corner.w = w;
  return corner;
}

// The view without a border of `border` pixels.
template <typename T>
MapView<T> inside(const MapView<T>& v, int border) {
  MapView<T> in = rows_of(v, border, v.h - 2 * border);
  in.data += border * v.pixel;
  in.w -= 2 * border;
  return in;
}

template <typename T>
MapView<T> take_map(Scratch& scratch, int n, int h, int w, int c) {
  const std::size_t values = static_cast<std::size_t>(n) * h * w * c;
  return contiguous_view(scratch.take<T>(values), n, h, w, c);
}

template <typename T>
void clear(const MapView<T>& v) {
  for (int n = 0; n < v.n; ++n)
    for (int y = 0; y < v.h; ++y)
      for (int x = 0; x < v.w; ++x)
        std::fill_n(v.data + n * v.image + y * v.row + x * v.pixel, v.c, T{0});
}

// Clears all but the first h rows and w columns.
template <typename T>
void clear_beyond(const MapView<T>& v, int h, int w) {
  clear(rows_of(v, h, v.h - h));
  MapView<T> right = corner_of(v, h, v.w - w);
  right.data += w * v.pixel;
  clear(right);
}

// Prepares the input of a 3x3 convolution that is padded by one pixel: fills the border of
// `bordered` with zeros and returns the view for the map, which has `rows` rows. If the map
// continues above the band, its first row takes the place of the border's first row (`above` is 1),
// and likewise below. The memory is reused by other layers, so the border is cleared at each run.
template <typename T>
MapView<T> prepare_border(const MapView<T>& bordered, int rows, int above) {
  const int first = 1 - above;
  const auto column = [&](int x) {
    MapView<T> c = rows_of(bordered, first, rows);
    c.data += x * bordered.pixel;
    c.w = 1;
    clear(c);
  };
  clear(rows_of(bordered, 0, first));
  clear(rows_of(bordered, first + rows, bordered.h - first - rows));
  column(0);
  column(bordered.w - 1);
  MapView<T> x = inside(bordered, 1);
  x.data -= above * x.row;
  x.h = rows;
  return x;
}

}  // namespace sqz
