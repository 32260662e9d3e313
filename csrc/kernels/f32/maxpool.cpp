// 3x3 max pooling with stride 2, windows clipped at the lower and right edge. An item is one
// output row; registers run over the channels, which are adjacent.
#include "kernels/f32/kernels.h"
#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

SQZ_INLINE Vec window_max(const MaxPoolArgs& a, const float* x, int rows, int columns, int left) {
  Vec best = left >= kLanes ? load(x) : load_n(x, left);
  for (int dy = 0; dy < rows; ++dy) {
    for (int dx = 0; dx < columns; ++dx) {
      const float* p = x + dy * a.x.row + dx * a.x.pixel;
      best = max(left >= kLanes ? load(p) : load_n(p, left), best);
    }
  }
  return best;
}

// Channels that are taken along a row of windows at a time.
constexpr int kVectors = 4;

// The windows of one output row that are not clipped, for kVectors registers of channels. The
// column that a window shares with the next one is looked through once.
void whole_windows(const MaxPoolArgs& a, const float* x, float* y, int windows) {
  const auto column = [&a](const float* top, Vec* best) {
    SQZ_UNROLL
    for (int v = 0; v < kVectors; ++v) best[v] = load(top + v * kLanes);
    for (int dy = 1; dy < 3; ++dy) {
      top += a.x.row;
      Vec below[kVectors];
      SQZ_UNROLL
      for (int v = 0; v < kVectors; ++v) below[v] = load(top + v * kLanes);
      SQZ_UNROLL
      for (int v = 0; v < kVectors; ++v) best[v] = max(best[v], below[v]);
    }
  };
  const ptrdiff_t step = a.x.pixel, next = a.y.pixel;
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

int clipped(int start, int size) { return size - start < 3 ? size - start : 3; }

}  // namespace

int64_t maxpool_f32_items(const MaxPoolArgs& a) { return static_cast<int64_t>(a.y.n) * a.y.h; }

void maxpool_f32(const MaxPoolArgs& a, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t n = i / a.y.h;
    const int oy = static_cast<int>(i % a.y.h), rows = clipped(2 * oy, a.x.h);
    const float* x_row = a.x.data + n * a.x.image + 2 * oy * a.x.row;
    float* y_row = a.y.data + n * a.y.image + oy * a.y.row;
    const int whole = rows == 3 ? (a.x.w - 1) / 2 : 0;  // windows
    constexpr int kStep = kVectors * kLanes;
    const int together = whole > 0 ? a.y.c / kStep * kStep : 0;
    for (int c = 0; c < together; c += kStep) whole_windows(a, x_row + c, y_row + c, whole);
    for (int ox = 0; ox < a.y.w; ++ox) {
      const int columns = clipped(2 * ox, a.x.w);
      const float* x = x_row + 2 * ox * a.x.pixel;
      float* y = y_row + ox * a.y.pixel;
      int c = ox < whole ? together : 0;
      for (; c + kLanes <= a.y.c; c += kLanes)
        store(y + c, window_max(a, x + c, rows, columns, kLanes));
      if (c < a.y.c) store_n(y + c, window_max(a, x + c, rows, columns, a.y.c - c), a.y.c - c);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
