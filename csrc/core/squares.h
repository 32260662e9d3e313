// The 7x7 stem with stride 2 as a 4x4 convolution with stride 1 of squares of 2 x 2 pixels
// (space-to-depth), whose pixels are channels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/threadpool.h"
#include "sqz/views.h"

namespace sqz {

constexpr int kPhases = 4;  // the pixels of a square

inline int halved(int size) { return (size + 1) / 2; }

// Rearranges a 7x7 kernel with stride 2 into the equivalent 4x4 kernel of squares. The taps that fall
// outside the 7x7 kernel are zero: the last row of the lower pixels and the last column of the right
// pixels.
inline std::vector<float> space_to_depth_weight(const float* weight, int out, int in) {
  std::vector<float> rearranged(static_cast<std::size_t>(out) * kPhases * in * 16);
  for (int o = 0; o < out; ++o)
    for (int c = 0; c < in; ++c)
      for (int ky = 0; ky < 7; ++ky)
        for (int kx = 0; kx < 7; ++kx) {
          const std::size_t phase = ky % 2 * 2 + kx % 2, channel = phase * in + c;
          rearranged[((static_cast<std::size_t>(o) * kPhases * in + channel) * 4 + ky / 2) * 4 +
                     kx / 2] = weight[((static_cast<std::size_t>(o) * in + c) * 7 + ky) * 7 + kx];
        }
  return rearranged;
}

// Writes row `y` of squares. A square holds the pixels (2y, 2x), (2y, 2x + 1), (2y + 1, 2x) and
// (2y + 1, 2x + 1), one after another. Pixels past the edge are zero.
template <typename T>
void gather_row(const MapView<T>& x, const MapView<T>& squares, std::ptrdiff_t n,
                std::ptrdiff_t y) {
  const std::size_t half = 2 * x.c;  // values of the upper or the lower two pixels
  const bool adjacent = x.pixel == x.c;
  for (int lower = 0; lower < 2; ++lower) {
    const std::ptrdiff_t row = 2 * y + lower;
    const T* from = x.data + n * x.image + row * x.row;
    T* to = squares.data + n * squares.image + y * squares.row + lower * half;
    for (int column = 0; column < 2 * squares.w; column += 2, to += 2 * half) {
      const int inside = row < x.h ? std::min(2, x.w - column) : 0;
      if (adjacent && inside == 2) {
        if (half == 6)  // an RGB image: with a constant size, the copy is inlined
          std::memcpy(to, from + column * x.c, 6 * sizeof(T));
        else
          std::memcpy(to, from + column * x.c, half * sizeof(T));
        continue;
      }
      std::fill_n(to, half, T{0});
      for (int i = 0; i < inside; ++i)
        std::copy_n(from + (column + i) * x.pixel, x.c, to + i * x.c);
    }
  }
}

template <typename T>
void gather_squares(ThreadPool& pool, const MapView<T>& x, const MapView<T>& squares) {
  pool.run(static_cast<std::int64_t>(x.n) * squares.h,
           [&](std::int64_t begin, std::int64_t end, int) {
             for (std::int64_t i = begin; i < end; ++i)
               gather_row(x, squares, i / squares.h, i % squares.h);
           });
}

}  // namespace sqz
