// The element-wise addition of a bypass, and softmax.
#include "kernels/f32/kernels.h"
#include "kernels/simd/integers.h"
#include "kernels/simd/vec.h"
#include "kernels/tiles/add.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// e^x for x <= 0, accurate to about 2 ulp. With x = n ln2 + r and |r| <= ln2 / 2, e^r is its Taylor
// series up to r^7, whose remainder is smaller than float32's rounding error. x is clamped to -87,
// where e^x is practically 0.
SQZ_INLINE Vec exp_nonpositive(Vec x) {
  x = max(x, broadcast(-87.0f));
  const Vec n = round_even(mul(x, broadcast(1.44269504f)));
  Vec r = fma(n, broadcast(-0.693359375f), x);  // ln2 is split, so that the first product is exact
  r = fma(n, broadcast(2.12194440e-4f), r);
  Vec series = broadcast(1.0f / 5040.0f);
  series = fma(series, r, broadcast(1.0f / 720.0f));
  series = fma(series, r, broadcast(1.0f / 120.0f));
  series = fma(series, r, broadcast(1.0f / 24.0f));
  series = fma(series, r, broadcast(1.0f / 6.0f));
  series = fma(series, r, broadcast(0.5f));
  series = fma(series, r, broadcast(1.0f));
  series = fma(series, r, broadcast(1.0f));
  return mul(series, pow2(n));
}

void softmax_row(const float* x, float* y, int columns) {
  float top = x[0];
  for (int i = 1; i < columns; ++i) top = x[i] > top ? x[i] : top;
  const Vec shift = broadcast(top);
  float total = 0.0f;
  for (int i = 0; i < columns; i += kLanes) {
    const int left = min(columns - i, kLanes);
    const Vec powers =
        exp_nonpositive(sub(left == kLanes ? load(x + i) : load_n(x + i, left), shift));
    store_n(y + i, powers, left);
    for (int j = 0; j < left; ++j) total += y[i + j];
  }
  for (int i = 0; i < columns; ++i) y[i] /= total;
}

}  // namespace

int64_t add_f32_items(const AddArgs& args) { return static_cast<int64_t>(args.y.n) * args.y.h; }

void add_f32(const AddArgs& args, int64_t begin, int64_t end) { add_rows(args, begin, end); }

void softmax_f32(const float* x, float* y, int rows, int columns) {
  for (int row = 0; row < rows; ++row) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(row) * columns;
    softmax_row(x + at, y + at, columns);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
