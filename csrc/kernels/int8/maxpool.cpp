// 3x3 max pooling of bytes with stride 2. Windows are clipped at the lower and right edges. An item
// is one output row. The compiler vectorizes the loops over channels.
#include "kernels/int8/kernels.h"
#include "kernels/simd/integers.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

SQZ_INLINE uint8_t larger(uint8_t a, uint8_t b) { return a > b ? a : b; }

// y[c] = the largest of the window's values of channel c
void pool_whole(const BytePoolArgs& args, const uint8_t* x, uint8_t* y) {
  const uint8_t* const above = x;
  const uint8_t* const middle = x + args.x.row;
  const uint8_t* const below = x + 2 * args.x.row;
  const ptrdiff_t pixel = args.x.pixel;
  const int channels = args.x.c;
  for (int c = 0; c < channels; ++c) {
    uint8_t best = 0;
    for (int dx = 0; dx < 3; ++dx)
      best = larger(best, larger(above[dx * pixel + c],
                                 larger(middle[dx * pixel + c], below[dx * pixel + c])));
    y[c] = best;
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
    for (int column = 0; column < args.y.w; ++column, x += 2 * args.x.pixel, y += args.y.pixel) {
      const int columns = min(3, args.x.w - 2 * column);
      if (rows == 3 && columns == 3)
        pool_whole(args, x, y);
      else
        pool_clipped(args, x, rows, columns, y);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
