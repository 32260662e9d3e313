// Rows of colour for NEON, which multiplies 32-bit words as quickly as pairs of 16-bit ones: a
// register holds one pixel of one row as int32 (r, g, b, 0), and a tap is one multiplication by a
// lane of the coefficients. Two rows go at once, so that no sum waits for itself.
#pragma once

#include "kernels/pixels/rows.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kTaps = 4;  // in a register of coefficients

// Output sample x of two rows.
template <int Channels>
SQZ_INLINE void two_sums(const ResizeRowsArgs& a, const uint8_t* const* rows, int x, VecI* sum) {
  const ptrdiff_t first = static_cast<ptrdiff_t>(a.taps.first[x]) * Channels;
  const int32_t* coeff = a.taps.coeff + static_cast<ptrdiff_t>(x) * a.taps.taps;
  sum[0] = sum[1] = broadcast_i(kHalf);
  for (int t = 0; t < a.taps.count[x]; t += kTaps) {
    const VecI k = load_i(coeff + t);
    SQZ_UNROLL
    for (int i = 0; i < 2; ++i) {
      VecI pixels[kTaps];
      load_4_pixels<Channels>(rows[i] + first + t * Channels, pixels);
      sum[i] = mla_lane<0>(pixels[0], k, sum[i]);
      sum[i] = mla_lane<1>(pixels[1], k, sum[i]);
      sum[i] = mla_lane<2>(pixels[2], k, sum[i]);
      sum[i] = mla_lane<3>(pixels[3], k, sum[i]);
    }
  }
}

template <int Channels>
void colour_rows(const ResizeRowsArgs& a, int begin, int end) {
  const int reach = (a.taps.most - 1) / kTaps * kTaps;  // the last register's first tap
  for (int y = begin; y < end; y += 2) {
    // A row past the end is the last one again: the same bytes are written twice.
    const ptrdiff_t second = y + 1 < end ? y + 1 : y;
    const uint8_t* const rows[2] = {a.src + y * a.src_row, a.src + second * a.src_row};
    uint8_t* const out[2] = {a.dst + y * a.dst_row, a.dst + second * a.dst_row};
    int safe = safe_samples(a, rows[1], a.out_w, reach, kPixelBytes);
    if (safe < 4) safe = 0;
    for (int next = 0; next < safe; next += 4) {
      const int x = next + 4 <= safe ? next : safe - 4;  // some of the last are done twice
      VecI sum[4][2];
      SQZ_UNROLL
      for (int i = 0; i < 4; ++i) two_sums<Channels>(a, rows, x + i, sum[i]);
      SQZ_UNROLL
      for (int i = 0; i < 2; ++i) {
        const VecI row[4] = {sum[0][i], sum[1][i], sum[2][i], sum[3][i]};
        store_4_pixels<kBits>(out[i] + 3 * static_cast<ptrdiff_t>(x), row, a.reverse);
      }
    }
    for (int i = 0; i < 2; ++i) finish_row(a, rows[i], out[i], safe, a.out_w);
  }
}

}  // namespace
}  // namespace SQZ_ISA
}  // namespace sqz
