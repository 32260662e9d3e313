// The element-wise addition of a bypass, and softmax.
#include "kernels/f32/kernels.h"
#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// e^x for x <= 0 to about 2 ulp: x = n ln2 + r, |r| <= ln2 / 2, and e^r by its Taylor series to
// r^7, whose remainder is below float's rounding there. Below -87 the answer is 0 to any reader.
SQZ_INLINE Vec exp_nonpositive(Vec x) {
  x = max(x, broadcast(-87.0f));
  const Vec n = round_even(mul(x, broadcast(1.44269504f)));
  Vec r = fma(n, broadcast(-0.693359375f), x);  // ln2 in two parts: the first product is exact
  r = fma(n, broadcast(2.12194440e-4f), r);
  Vec p = broadcast(1.0f / 5040.0f);
  p = fma(p, r, broadcast(1.0f / 720.0f));
  p = fma(p, r, broadcast(1.0f / 120.0f));
  p = fma(p, r, broadcast(1.0f / 24.0f));
  p = fma(p, r, broadcast(1.0f / 6.0f));
  p = fma(p, r, broadcast(0.5f));
  p = fma(p, r, broadcast(1.0f));
  p = fma(p, r, broadcast(1.0f));
  return mul(p, pow2(n));
}

void softmax_row(const float* x, float* y, int columns) {
  float top = x[0];
  for (int i = 1; i < columns; ++i) top = x[i] > top ? x[i] : top;
  const Vec shift = broadcast(top);
  float total = 0.0f;
  for (int i = 0; i < columns; i += kLanes) {
    const int left = columns - i < kLanes ? columns - i : kLanes;
    const Vec e = exp_nonpositive(sub(left == kLanes ? load(x + i) : load_n(x + i, left), shift));
    store_n(y + i, e, left);
    for (int j = 0; j < left; ++j) total += y[i + j];
  }
  for (int i = 0; i < columns; ++i) y[i] /= total;
}

}  // namespace

int64_t add_f32_items(const AddArgs& a) { return static_cast<int64_t>(a.y.n) * a.y.h; }

void add_f32(const AddArgs& a, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const ptrdiff_t n = i / a.y.h, row = i % a.y.h;
    for (int col = 0; col < a.y.w; ++col) {
      const float* p = a.a.data + n * a.a.image + row * a.a.row + col * a.a.pixel;
      const float* q = a.b.data + n * a.b.image + row * a.b.row + col * a.b.pixel;
      float* y = a.y.data + n * a.y.image + row * a.y.row + col * a.y.pixel;
      int c = 0;
      for (; c + kLanes <= a.y.c; c += kLanes) store(y + c, add(load(p + c), load(q + c)));
      for (; c < a.y.c; ++c) y[c] = p[c] + q[c];
    }
  }
}

void softmax_f32(const float* x, float* y, int rows, int columns) {
  for (int r = 0; r < rows; ++r) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(r) * columns;
    softmax_row(x + at, y + at, columns);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
