// What the rows passes of the resize share, see resize.cpp.
#pragma once

#include "kernels/pixels/kernels.h"
#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kBits = 22;
constexpr int32_t kHalf = 1 << (kBits - 1);

uint8_t rounded(int32_t sum) {
  const int32_t v = sum >> kBits;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

// Output samples [x, end) of one row, reading nothing but the pixels of their taps.
void finish_row(const ResizeRowsArgs& a, const uint8_t* row, uint8_t* out, int x, int end) {
  const int step = a.channels, green = step == 1 ? 0 : 1, blue = step == 1 ? 0 : 2;
  for (out += 3 * x; x < end; ++x, out += 3) {
    const uint8_t* p = row + static_cast<ptrdiff_t>(a.taps.first[x]) * step;
    const int32_t* k = a.taps.coeff + static_cast<ptrdiff_t>(x) * a.taps.taps;
    int32_t r = kHalf, g = kHalf, b = kHalf;
    for (int t = 0; t < a.taps.count[x]; ++t, p += step) {
      r += k[t] * p[0];
      g += k[t] * p[green];
      b += k[t] * p[blue];
    }
    out[a.reverse ? 2 : 0] = rounded(r);
    out[1] = rounded(g);
    out[a.reverse ? 0 : 2] = rounded(b);
  }
}

#if !defined(SQZ_ISA_SCALAR)

// How many of the first x output samples of this row can be computed with loads of `width` bytes,
// the last of which begins at pixel `reach` of a sample's taps or at its last tap, whichever lies
// further.
int safe_samples(const ResizeRowsArgs& a, const uint8_t* row, int x, int reach, int width) {
  const ptrdiff_t readable = a.src + a.src_bytes - row - width;
  for (; x > 0; --x) {
    const int last = a.taps.count[x - 1] - 1;
    const ptrdiff_t begin =
        static_cast<ptrdiff_t>(a.taps.first[x - 1]) + (last > reach ? last : reach);
    if (begin * a.channels <= readable) break;
  }
  return x;
}

#endif

}  // namespace
}  // namespace SQZ_ISA
}  // namespace sqz
