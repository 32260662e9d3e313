// Antialiased separable resize in Pillow's integer arithmetic, then normalisation.
//
// Rows first (uint8 to uint8), then columns fused with the normalisation (uint8 to float32).
// Coefficients carry 22 bits and every pass rounds half up and clamps, as Pillow's 8-bit path
// does: the grey levels are equal. The caller alternates the two over a few rows at a time, so
// that what lies between them stays in the first-level cache. Where the columns have to go first,
// they write bytes, and normalising is a columns pass with one tap.
//
// Rows: a register holds kLanes / 4 adjacent source pixels as int32 (r, g, b, anything), is
// multiplied by as many coefficients and added up over the taps. Four rows go at once, because
// they share the coefficients and because four sums are rounded and packed at the price of one.
// A grey row instead holds kLanes taps of one output sample.
// Columns: a register holds kLanes adjacent bytes of a row; three registers repeat the channel
// pattern, so mean and scale stay in registers.
#include "vec.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kBits = 22;
constexpr int32_t kHalf = 1 << (kBits - 1);
constexpr int kRows = 4;

uint8_t rounded(int32_t sum) {
  const int32_t v = sum >> kBits;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

// Output samples [x, out_w) of one row, reading nothing but the pixels of their taps.
void finish_row(const ResizeRowsArgs& a, const uint8_t* row, uint8_t* out, int x) {
  const int step = a.channels, green = step == 1 ? 0 : 1, blue = step == 1 ? 0 : 2;
  for (out += 3 * x; x < a.out_w; ++x, out += 3) {
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

constexpr int kPixels = kLanes / 4;  // in a register

// How many output samples of this row can be computed with loads of `width` bytes, the last of
// which begins at pixel `reach` of a sample's taps or at its last tap, whichever lies further.
int safe_samples(const ResizeRowsArgs& a, const uint8_t* row, int reach, int width) {
  const ptrdiff_t readable = a.src + a.src_bytes - row - width;
  int x = a.out_w;
  for (; x > 0; --x) {
    const int last = a.taps.count[x - 1] - 1;
    const ptrdiff_t begin =
        static_cast<ptrdiff_t>(a.taps.first[x - 1]) + (last > reach ? last : reach);
    if (begin * a.channels <= readable) break;
  }
  return x;
}

// Blocks registers cover every output sample's taps, whose spare coefficients are zero: without a
// loop over taps there is no branch to guess wrongly. 0: as many as each sample has.
template <int Channels, int Blocks>
void four_rows(const ResizeRowsArgs& a, const uint8_t* src, const ptrdiff_t* src_row, uint8_t* dst,
               const ptrdiff_t* dst_row, int samples) {
  // Only the first pixel of each register starts at one half: they are added up at the end.
  const int32_t start[kLanes] = {kHalf, kHalf, kHalf, kHalf};
  const VecI half = load_i(start);
  // Copies, because the compiler must take any store of bytes for a change of what it came from.
  const int32_t* const first = a.taps.first;
  const int32_t* const count = a.taps.count;
  const ptrdiff_t taps = a.taps.taps, row1 = src_row[1], row2 = src_row[2], row3 = src_row[3];
  const ptrdiff_t out_row[kRows] = {0, dst_row[1], dst_row[2], dst_row[3]};
  const bool reverse = a.reverse;
  const int32_t* k = a.taps.coeff;
  for (int x = 0; x < samples; ++x, k += taps, dst += 3) {
    const uint8_t* p = src + static_cast<ptrdiff_t>(first[x]) * Channels;
    VecI s0 = half, s1 = half, s2 = half, s3 = half;
    const int blocks = Blocks ? Blocks : (count[x] + kPixels - 1) / kPixels;
    SQZ_UNROLL
    for (int i = 0; i < blocks; ++i, p += kPixels * Channels) {
      const VecI c = load_each4(k + i * kPixels);
      s0 = add_i(s0, mul_i(load_pixels<Channels>(p), c));
      s1 = add_i(s1, mul_i(load_pixels<Channels>(p + row1), c));
      s2 = add_i(s2, mul_i(load_pixels<Channels>(p + row2), c));
      s3 = add_i(s3, mul_i(load_pixels<Channels>(p + row3), c));
    }
    store_4_rows<kBits>(dst, out_row, s0, s1, s2, s3, reverse);
  }
}

template <int Channels>
void colour_rows(const ResizeRowsArgs& a, int begin, int end) {
  const int blocks = (a.taps.most + kPixels - 1) / kPixels;
  const auto rows = blocks == 1   ? four_rows<Channels, 1>
                    : blocks == 2 ? four_rows<Channels, 2>
                    : blocks == 3 ? four_rows<Channels, 3>
                    : blocks == 4 ? four_rows<Channels, 4>
                                  : four_rows<Channels, 0>;
  for (int y = begin; y < end; y += kRows) {
    // Rows past the end are the last one again: the same bytes are written twice.
    ptrdiff_t src_row[kRows], dst_row[kRows];
    for (int i = 0; i < kRows; ++i) {
      const ptrdiff_t ahead = y + i < end ? i : end - 1 - y;
      src_row[i] = ahead * a.src_row;
      dst_row[i] = ahead * a.dst_row;
    }
    const uint8_t* src = a.src + y * a.src_row;
    uint8_t* dst = a.dst + y * a.dst_row;
    const int samples =
        safe_samples(a, src + src_row[kRows - 1], (blocks - 1) * kPixels, kPixelBytes);
    rows(a, src, src_row, dst, dst_row, samples);
    if (samples == a.out_w) continue;
    for (int i = 0; i < kRows; ++i) finish_row(a, src + src_row[i], dst + dst_row[i], samples);
  }
}

void grey_row(const ResizeRowsArgs& a, const uint8_t* row, uint8_t* out, int samples) {
  const int32_t* k = a.taps.coeff;
  for (int x = 0; x < samples; ++x, k += a.taps.taps, out += 3) {
    const uint8_t* p = row + a.taps.first[x];
    VecI sum = mul_i(load_u8(p), load_i(k));
    for (int t = kLanes; t < a.taps.count[x]; t += kLanes)
      sum = add_i(sum, mul_i(load_u8(p + t), load_i(k + t)));
    out[0] = out[1] = out[2] = rounded(kHalf + reduce_add_i(sum));
  }
}

void grey_rows(const ResizeRowsArgs& a, int begin, int end) {
  for (int y = begin; y < end; ++y) {
    const uint8_t* row = a.src + y * a.src_row;
    uint8_t* out = a.dst + y * a.dst_row;
    const int samples = safe_samples(a, row, 0, kLanes);
    grey_row(a, row, out, samples);
    finish_row(a, row, out, samples);
  }
}

#endif

SQZ_INLINE VecI grey_levels(VecI sum) { return clamp_u8(shift_right_i<kBits>(sum)); }

// Where one output row of the columns pass comes from.
struct Column {
  const uint8_t* src;
  ptrdiff_t row;
  const int32_t* coeff;
  int count;
};

SQZ_INLINE Column column_of(const ResizeColumnsArgs& a, int y) {
  return {a.src + (a.taps.first[y] - a.first_row) * a.src_row, a.src_row,
          a.taps.coeff + static_cast<ptrdiff_t>(y) * a.taps.taps, a.taps.count[y]};
}

// The sums for N registers of values from j on.
template <int N>
SQZ_INLINE void sum_columns(const Column& c, int j, VecI* sum) {
  SQZ_UNROLL
  for (int i = 0; i < N; ++i) sum[i] = broadcast_i(kHalf);
  const uint8_t* p = c.src + j;
  for (int t = 0; t < c.count; ++t, p += c.row) {
    const VecI k = broadcast_i(c.coeff[t]);
    SQZ_UNROLL
    for (int i = 0; i < N; ++i) sum[i] = add_i(sum[i], mul_i(load_u8(p + i * kLanes), k));
  }
}

uint8_t single(const Column& c, int j) {
  int32_t sum = kHalf;
  for (int t = 0; t < c.count; ++t) sum += c.coeff[t] * c.src[t * c.row + j];
  return rounded(sum);
}

void columns_to_bytes(const ResizeColumnsArgs& a, int begin, int end) {
  for (int y = begin; y < end; ++y) {
    const Column c = column_of(a, y);
    uint8_t* out = a.bytes + y * a.bytes_row;
    int j = 0;
    VecI s[4];
    for (; j + 4 * kLanes <= a.size; j += 4 * kLanes) {
      sum_columns<4>(c, j, s);
      SQZ_UNROLL
      for (int i = 0; i < 4; ++i) store_u8(out + j + i * kLanes, grey_levels(s[i]));
    }
    for (; j + kLanes <= a.size; j += kLanes) {
      sum_columns<1>(c, j, s);
      store_u8(out + j, grey_levels(s[0]));
    }
    for (; j < a.size; ++j) out[j] = single(c, j);
  }
}

void columns_to_floats(const ResizeColumnsArgs& a, int begin, int end) {
  // One period of the channel pattern in whole registers; whatever is left of a row after whole
  // periods begins at one of these three registers too.
  float pattern[6 * kLanes];
  for (int i = 0; i < 3 * kLanes; ++i) {
    pattern[i] = a.mean[i % 3];
    pattern[3 * kLanes + i] = a.scale[i % 3];
  }
  Vec mean[3], scale[3];
  for (int i = 0; i < 3; ++i) {
    mean[i] = load(pattern + i * kLanes);
    scale[i] = load(pattern + (3 + i) * kLanes);
  }
  for (int y = begin; y < end; ++y) {
    const Column c = column_of(a, y);
    float* out = a.dst + y * a.dst_row;
    int j = 0;
    VecI s[3];
    for (; j + 3 * kLanes <= a.size; j += 3 * kLanes) {
      sum_columns<3>(c, j, s);
      SQZ_UNROLL
      for (int i = 0; i < 3; ++i) {
        const Vec v = to_float(grey_levels(s[i]));
        store(out + j + i * kLanes, mul(sub(v, mean[i]), scale[i]));
      }
    }
    for (int i = 0; j + kLanes <= a.size; j += kLanes, ++i) {
      sum_columns<1>(c, j, s);
      store(out + j, mul(sub(to_float(grey_levels(s[0])), mean[i]), scale[i]));
    }
    for (; j < a.size; ++j)
      out[j] = (static_cast<float>(single(c, j)) - a.mean[j % 3]) * a.scale[j % 3];
  }
}

}  // namespace

void resize_rows_u8(const ResizeRowsArgs& a, int begin, int end) {
#if defined(SQZ_ISA_SCALAR)
  for (int y = begin; y < end; ++y) finish_row(a, a.src + y * a.src_row, a.dst + y * a.dst_row, 0);
#else
  if (a.channels == 1)
    grey_rows(a, begin, end);
  else if (a.channels == 3)
    colour_rows<3>(a, begin, end);
  else
    colour_rows<4>(a, begin, end);
#endif
}

void resize_columns_f32(const ResizeColumnsArgs& a, int begin, int end) {
  if (a.dst)
    columns_to_floats(a, begin, end);
  else
    columns_to_bytes(a, begin, end);
}

}  // namespace SQZ_ISA
}  // namespace sqz
