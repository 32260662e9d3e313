// 3x3 max pooling of bytes with stride 2. Windows are clipped at the lower and right edges. An item
// is one output row. The compiler vectorizes the loops over channels.
#include "kernels/int8/kernels.h"
#include "kernels/simd/integers.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

SQZ_INLINE uint8_t larger(uint8_t a, uint8_t b) { return a > b ? a : b; }

// y[i * args.y.pixel + c] = the largest of the values of channel c in the i-th of kWindows adjacent
// windows, which share columns
template <int kWindows>
void pool_whole(const BytePoolArgs& args, const uint8_t* x, uint8_t* __restrict y) {
  const uint8_t* const above = x;
  const uint8_t* const middle = x + args.x.row;
  const uint8_t* const below = x + 2 * args.x.row;
  const ptrdiff_t pixel = args.x.pixel, next = args.y.pixel;
  const int channels = args.x.c;
  for (int c = 0; c < channels; ++c) {
    uint8_t column[2 * kWindows + 1];
    SQZ_UNROLL
    for (int i = 0; i <= 2 * kWindows; ++i)
      column[i] = larger(above[i * pixel + c], larger(middle[i * pixel + c], below[i * pixel + c]));
    SQZ_UNROLL
    for (int i = 0; i < kWindows; ++i)
      y[i * next + c] = larger(column[2 * i], larger(column[2 * i + 1], column[2 * i + 2]));
  }
}

void pool_clipped(const BytePoolArgs& args, const uint8_t* x, int rows, int columns, uint8_t* y) {
  for (int c = 0; c < args.x.c; ++c) {
    uint8_t best = 0;
    for (int dy = 0; dy < rows; ++dy)
      for (int dx = 0; dx < columns; ++dx)
        best = larger(best, x[dy * args.x.row + dx * args.x.pixel + c]);
    y[c] = best;
  }
}

}  // namespace

int64_t maxpool_u8_items(const BytePoolArgs& args) {
  return static_cast<int64_t>(args.y.n) * args.y.h;
}

void maxpool_u8(const BytePoolArgs& args, int64_t begin, int64_t end) {
  for (; begin < end; ++begin) {
    const int64_t n = begin / args.y.h, row = begin % args.y.h;
    const uint8_t* x = args.x.data + n * args.x.image + 2 * row * args.x.row;
    uint8_t* y = args.y.data + n * args.y.image + row * args.y.row;
    const int rows = static_cast<int>(min<int64_t>(3, args.x.h - 2 * row));
    int column = 0;
    for (int windows; column < args.y.w; column += windows) {
      const uint8_t* const from = x + 2 * column * args.x.pixel;
      uint8_t* const to = y + column * args.y.pixel;
      const int columns = args.x.w - 2 * column;
      windows = rows == 3 && columns >= 5 && column + 2 <= args.y.w ? 2 : 1;
      if (windows == 2)
        pool_whole<2>(args, from, to);
      else if (rows == 3 && columns >= 3)
        pool_whole<1>(args, from, to);
      else
        pool_clipped(args, from, rows, min(3, columns), to);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
