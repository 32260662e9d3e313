// What half precision does to maps besides convolutions: max pooling, the addition of a bypass, and
// the rounding of float32 to halves. An item is one row.
#include "kernels/f16/kernels.h"
#include "kernels/f16/overflow.h"
#include "kernels/tiles/add.h"
#include "kernels/tiles/maxpool.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

template <typename T>
int64_t rows_of(const MapView<T>& v) {
  return static_cast<int64_t>(v.n) * v.h;
}

// Rounds adjacent floats; those beyond the largest half become NaNs.
SQZ_INLINE void round_run(const float* x, Half* y, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const float16x4_t low = vcvt_f16_f32(vld1q_f32(x + i));
    store(y + i, marked(vcvt_high_f16_f32(low, vld1q_f32(x + i + 4))));
  }
  for (; i < count; ++i) store_n(y + i, marked(broadcast(x[i])), 1);
}

// Makes NaNs of the infinities in the rows [begin, end), counted over all images.
SQZ_NOINLINE void mark_rows(const HalfView& v, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    Half* pixel = v.data + item / v.h * v.image + item % v.h * v.row;
    for (int column = 0; column < v.w; ++column, pixel += v.pixel)
      for (int channel = 0; channel < v.c; channel += kLanes) {
        const int count = min(v.c - channel, kLanes);
        store_n(pixel + channel, marked(load_n(pixel + channel, count)), count);
      }
  }
}

}  // namespace

int64_t maxpool_f16_items(const HalfPoolArgs& args) { return rows_of(args.y); }

void maxpool_f16(const HalfPoolArgs& args, int64_t begin, int64_t end) {
  pool_rows(args, begin, end);
}

int64_t add_f16_items(const HalfAddArgs& args) { return rows_of(args.y); }

void add_f16(const HalfAddArgs& args, int64_t begin, int64_t end) {
  forget_overflow();
  add_rows(args, begin, end);
  if (overflowed()) mark_rows(args.y, begin, end);
}

int64_t round_f16_items(const HalfRoundArgs& args) { return rows_of(args.y); }

void round_f16(const HalfRoundArgs& args, int64_t begin, int64_t end) {
  const bool adjacent = args.x.pixel == args.x.c && args.y.pixel == args.y.c;
  const int runs = adjacent ? 1 : args.x.w;
  const ptrdiff_t run = adjacent ? static_cast<ptrdiff_t>(args.x.w) * args.x.c : args.x.c;
  for (int64_t item = begin; item < end; ++item) {
    const ptrdiff_t image = item / args.y.h, row = item % args.y.h;
    const float* x = args.x.data + image * args.x.image + row * args.x.row;
    Half* y = args.y.data + image * args.y.image + row * args.y.row;
    for (int i = 0; i < runs; ++i) round_run(x + i * args.x.pixel, y + i * args.y.pixel, run);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
