// The rows pass over color photos for NEON. NEON multiplies 32-bit words as fast as pairs of 16-bit
// words. So a register holds one pixel of one row as int32 (r, g, b, 0), and a tap is one
// multiplication by a lane of the coefficients. Two rows are computed together, so that the
// additions to one sum overlap with those to the other.
#pragma once

#include "kernels/pixels/rows.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kTaps = 4;  // per register of coefficients

// Computes the sums of output sample x in two rows.
template <int Channels>
SQZ_INLINE void two_sums(const ResizeRowsArgs& args, const uint8_t* const* rows, int x, VecI* sum) {
  const ptrdiff_t first = static_cast<ptrdiff_t>(args.taps.first[x]) * Channels;
  const int32_t* coeff = args.taps.coeff + static_cast<ptrdiff_t>(x) * args.taps.taps;
  sum[0] = sum[1] = broadcast_i(kHalf);
  for (int tap = 0; tap < args.taps.count[x]; tap += kTaps) {
    const VecI factors = load_i(coeff + tap);
    SQZ_UNROLL
    for (int i = 0; i < 2; ++i) {
      VecI pixels[kTaps];
      load_4_pixels<Channels>(rows[i] + first + tap * Channels, pixels);
      sum[i] = mla_lane<0>(pixels[0], factors, sum[i]);
      sum[i] = mla_lane<1>(pixels[1], factors, sum[i]);
      sum[i] = mla_lane<2>(pixels[2], factors, sum[i]);
      sum[i] = mla_lane<3>(pixels[3], factors, sum[i]);
    }
  }
}

template <int Channels>
void color_rows(const ResizeRowsArgs& args, int begin, int end) {
  const int reach = (args.taps.most - 1) / kTaps * kTaps;  // the last register's first tap
  for (int y = begin; y < end; y += 2) {
    // With an odd number of rows, the last row is computed twice and the same bytes are rewritten.
    const ptrdiff_t second = y + 1 < end ? y + 1 : y;
    const uint8_t* const rows[2] = {args.src + y * args.src_row, args.src + second * args.src_row};
    uint8_t* const out[2] = {args.dst + y * args.dst_row, args.dst + second * args.dst_row};
    int safe = safe_samples(args, rows[1], args.out_w, reach, kPixelBytes);
    if (safe < 4) safe = 0;
    for (int next = 0; next < safe; next += 4) {
      const int x = next + 4 <= safe ? next : safe - 4;  // the last four may overlap those before
      VecI sum[4][2];
      SQZ_UNROLL
      for (int i = 0; i < 4; ++i) two_sums<Channels>(args, rows, x + i, sum[i]);
      SQZ_UNROLL
      for (int i = 0; i < 2; ++i) {
        const VecI row[4] = {sum[0][i], sum[1][i], sum[2][i], sum[3][i]};
        store_4_pixels<kBits>(out[i] + 3 * static_cast<ptrdiff_t>(x), row, args.reverse);
      }
    }
    for (int i = 0; i < 2; ++i) finish_row(args, rows[i], out[i], safe, args.out_w);
  }
}

}  // namespace
}  // namespace SQZ_ISA
}  // namespace sqz
