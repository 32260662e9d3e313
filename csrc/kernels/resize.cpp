// Antialiased separable resize in Pillow's integer arithmetic, then normalisation.
//
// Rows first (uint8 to uint8), then columns fused with the normalisation (uint8 to float32), so
// that the photo is read once and nothing of its size is written. Coefficients carry 22 bits and
// every pass rounds half up and clamps, as Pillow's 8-bit path does: the grey levels are equal.
#include "vec.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kBits = 22;
constexpr int32_t kHalf = 1 << (kBits - 1);

uint8_t rounded(int32_t sum) {
  const int32_t v = sum >> kBits;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

}  // namespace

void resize_rows_u8(const ResizeRowsArgs& a, int begin, int end) {
  const int step = a.channels, green = step == 1 ? 0 : 1, blue = step == 1 ? 0 : 2;
  for (int y = begin; y < end; ++y) {
    const uint8_t* row = a.src + y * a.src_row;
    uint8_t* out = a.dst + y * a.dst_row;
    for (int x = 0; x < a.out_w; ++x, out += 3) {
      const uint8_t* p = row + static_cast<ptrdiff_t>(a.taps.first[x]) * step;
      const int32_t* k = a.taps.coeff + static_cast<ptrdiff_t>(x) * a.taps.taps;
      int32_t r = kHalf, g = kHalf, b = kHalf;
      for (int t = 0; t < a.taps.count[x]; ++t, p += step) {
        r += k[t] * p[0];
        g += k[t] * p[green];
        b += k[t] * p[blue];
      }
      out[0] = rounded(r), out[1] = rounded(g), out[2] = rounded(b);
    }
  }
}

void resize_columns_f32(const ResizeColumnsArgs& a, int begin, int end) {
  for (int y = begin; y < end; ++y) {
    const uint8_t* column = a.src + a.taps.first[y] * a.src_row;
    const int32_t* k = a.taps.coeff + static_cast<ptrdiff_t>(y) * a.taps.taps;
    float* out = a.dst + y * a.dst_row;
    for (int x = 0; x < a.out_w; ++x, column += 3, out += 3) {
      for (int c = 0; c < 3; ++c) {
        int32_t sum = kHalf;
        for (int t = 0; t < a.taps.count[y]; ++t) sum += k[t] * column[t * a.src_row + c];
        const int o = a.reverse ? 2 - c : c;
        out[o] = (static_cast<float>(rounded(sum)) - a.mean[o]) * a.scale[o];
      }
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
