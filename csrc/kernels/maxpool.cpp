// 3x3 max pooling with stride 2, windows clipped at the lower and right edge. An item is one
// output row; registers run over the channels, which are adjacent.
#include "vec.h"

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

// A window that is not clipped, over the channels that fill registers; returns their number. Its
// nine places are found once, for the compiler cannot know that storing leaves the strides alone.
SQZ_INLINE int whole_window(const MaxPoolArgs& a, const float* x, float* y) {
  const float* places[9];
  SQZ_UNROLL
  for (int i = 0; i < 9; ++i) places[i] = x + i / 3 * a.x.row + i % 3 * a.x.pixel;
  const int channels = a.y.c / kLanes * kLanes;
  for (int c = 0; c < channels; c += kLanes) {
    Vec best = load(places[0] + c);
    SQZ_UNROLL
    for (int i = 1; i < 9; ++i) best = max(load(places[i] + c), best);
    store(y + c, best);
  }
  return channels;
}

int clipped(int start, int size) { return size - start < 3 ? size - start : 3; }

}  // namespace

int64_t maxpool_items(const MaxPoolArgs& a) { return static_cast<int64_t>(a.y.n) * a.y.h; }

void maxpool_f32(const MaxPoolArgs& a, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t n = i / a.y.h;
    const int oy = static_cast<int>(i % a.y.h), rows = clipped(2 * oy, a.x.h);
    for (int ox = 0; ox < a.y.w; ++ox) {
      const int columns = clipped(2 * ox, a.x.w);
      const float* x = a.x.data + n * a.x.image + 2 * oy * a.x.row + 2 * ox * a.x.pixel;
      float* y = a.y.data + n * a.y.image + oy * a.y.row + ox * a.y.pixel;
      int c = 0;
      if (rows == 3 && columns == 3) {
        c = whole_window(a, x, y);
      } else {
        for (; c + kLanes <= a.y.c; c += kLanes)
          store(y + c, window_max(a, x + c, rows, columns, kLanes));
      }
      if (c < a.y.c) store_n(y + c, window_max(a, x + c, rows, columns, a.y.c - c), a.y.c - c);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
