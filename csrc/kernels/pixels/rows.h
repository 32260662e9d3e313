// The parts of the rows pass that the instruction sets share; see resize.cpp.
#pragma once

#include "kernels/pixels/kernels.h"
#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kBits = 22;
constexpr int32_t kHalf = 1 << (kBits - 1);

uint8_t rounded(int32_t sum) {
  const int32_t level = sum >> kBits;
  return static_cast<uint8_t>(level < 0 ? 0 : level > 255 ? 255 : level);
}

// Computes the output samples [x, end) of one row. It reads only the pixels of their taps.
void finish_row(const ResizeRowsArgs& args, const uint8_t* row, uint8_t* out, int x, int end) {
  const int step = args.channels, green = step == 1 ? 0 : 1, blue = step == 1 ? 0 : 2;
  for (out += 3 * x; x < end; ++x, out += 3) {
    const uint8_t* pixel = row + static_cast<ptrdiff_t>(args.taps.first[x]) * step;
    const int32_t* coeff = args.taps.coeff + static_cast<ptrdiff_t>(x) * args.taps.taps;
    int32_t red_sum = kHalf, green_sum = kHalf, blue_sum = kHalf;
    for (int tap = 0; tap < args.taps.count[x]; ++tap, pixel += step) {
      red_sum += coeff[tap] * pixel[0];
      green_sum += coeff[tap] * pixel[green];
      blue_sum += coeff[tap] * pixel[blue];
    }
    out[args.reverse ? 2 : 0] = rounded(red_sum);
    out[1] = rounded(green_sum);
    out[args.reverse ? 0 : 2] = rounded(blue_sum);
  }
}

#if !defined(SQZ_ISA_SCALAR)

// Returns how many of the row's first `samples` output samples can be computed with loads of
// `width` bytes. A sample's last load begins at pixel `reach` of its taps or at its last tap,
// whichever lies further.
int safe_samples(const ResizeRowsArgs& args, const uint8_t* row, int samples, int reach,
                 int width) {
  const ptrdiff_t readable = args.src + args.src_bytes - row - width;
  for (; samples > 0; --samples) {
    const int last = args.taps.count[samples - 1] - 1;
    const ptrdiff_t begin =
        static_cast<ptrdiff_t>(args.taps.first[samples - 1]) + (last > reach ? last : reach);
    if (begin * args.channels <= readable) break;
  }
  return samples;
}

#endif

}  // namespace
}  // namespace SQZ_ISA
}  // namespace sqz
