// 3x3 max pooling with stride 2, of maps of floats or halves. Windows are clipped at the lower and
// right edges. A register holds adjacent channels.
#pragma once

#include "kernels/simd/integers.h"
#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {

template <typename Args>
SQZ_INLINE Vec window_max(const Args& args, const Value* x, int rows, int columns, int left) {
  Vec best = left >= kLanes ? load(x) : load_n(x, left);
  for (int dy = 0; dy < rows; ++dy) {
    for (int dx = 0; dx < columns; ++dx) {
      const Value* pixel = x + dy * args.x.row + dx * args.x.pixel;
      best = max(left >= kLanes ? load(pixel) : load_n(pixel, left), best);
    }
  }
  return best;
}

// Registers of channels that are computed together for a row of windows.
constexpr int kVectors = 4;

// Computes the unclipped windows of one output row, for kVectors registers of channels. The maximum
// of the column that two adjacent windows share is computed once.
template <typename Args>
SQZ_NOINLINE void whole_windows(const Args& args, const Value* x, Value* y, int windows) {
  const auto column = [&args](const Value* top, Vec* best) {
    SQZ_UNROLL
    for (int v = 0; v < kVectors; ++v) best[v] = load(top + v * kLanes);
    for (int dy = 1; dy < 3; ++dy) {
      top += args.x.row;
      Vec below[kVectors];
      SQZ_UNROLL
      for (int v = 0; v < kVectors; ++v) below[v] = load(top + v * kLanes);
      SQZ_UNROLL
      for (int v = 0; v < kVectors; ++v) best[v] = max(best[v], below[v]);
    }
  };
  const ptrdiff_t step = args.x.pixel, next = args.y.pixel;
  Vec left[kVectors], middle[kVectors], right[kVectors];
  column(x, left);
  for (; windows > 0; --windows, y += next) {
    column(x += step, middle);
    column(x += step, right);
    SQZ_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      store(y + v * kLanes, max(max(left[v], middle[v]), right[v]));
      left[v] = right[v];
    }
  }
}

SQZ_INLINE int clipped(int start, int size) { return min(size - start, 3); }

// Computes the output rows [begin, end), counted over all images.
template <typename Args>
SQZ_INLINE void pool_rows(const Args& args, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    const int64_t image = item / args.y.h;
    const int out_y = static_cast<int>(item % args.y.h), rows = clipped(2 * out_y, args.x.h);
    const Value* x_row = args.x.data + image * args.x.image + 2 * out_y * args.x.row;
    Value* y_row = args.y.data + image * args.y.image + out_y * args.y.row;
    const int whole = rows == 3 ? (args.x.w - 1) / 2 : 0;  // windows
    constexpr int kStep = kVectors * kLanes;
    const int together = whole > 0 ? args.y.c / kStep * kStep : 0;
    for (int channel = 0; channel < together; channel += kStep)
      whole_windows(args, x_row + channel, y_row + channel, whole);
    for (int out_x = 0; out_x < args.y.w; ++out_x) {
      const int columns = clipped(2 * out_x, args.x.w);
      const Value* x = x_row + 2 * out_x * args.x.pixel;
      Value* y = y_row + out_x * args.y.pixel;
      int channel = out_x < whole ? together : 0;
      for (; channel + kLanes <= args.y.c; channel += kLanes)
        store(y + channel, window_max(args, x + channel, rows, columns, kLanes));
      if (channel < args.y.c)
        store_n(y + channel, window_max(args, x + channel, rows, columns, args.y.c - channel),
                args.y.c - channel);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
