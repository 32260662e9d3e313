// Antialiased separable resize in Pillow's integer arithmetic, then normalisation.
//
// Rows first (uint8 to uint8), then columns fused with the normalisation (uint8 to float32).
// Coefficients carry 22 bits and every pass rounds half up and clamps, as Pillow's 8-bit path
// does: the grey levels are equal. The caller alternates the two over a few rows at a time, so
// that what lies between them stays in the first-level cache. Where the columns have to go first,
// they write bytes, and normalising is a columns pass with one tap.
//
// Rows: a register holds one output sample of two rows, as int32 (r, g, b, nothing). Coefficients
// are cut in two, because products of 16-bit words come added up in pairs: of two adjacent taps.
// Four rows go at once, since they share the coefficients, and four samples, since their sums are
// rounded, packed and stored at the price of one. A grey row instead holds kLanes taps of one
// output sample.
// Columns: a register holds kLanes adjacent bytes of a row; three registers repeat the channel
// pattern, so mean and scale stay in registers.
#include "kernels/pixels/rows.h"

#if defined(SQZ_ISA_NEON)
#include "kernels/pixels/rows_neon.h"
#endif

namespace sqz {
namespace SQZ_ISA {
namespace {

#if defined(SQZ_ISA_AVX2)

constexpr int kRows = 4;
constexpr int kTaps = 4;     // in a register, of each row
constexpr int kBlock = 256;  // samples whose coefficients are cut at a time, at most
constexpr int kCut = 8192;   // coefficients of these samples, at most

// Adds taps t to t + 3, or t and t + 1, of two rows; k as split_8 gives it.
template <int Channels>
SQZ_INLINE void add_taps(const uint8_t* p, const uint8_t* q, const int32_t* k, bool both,
                         VecI* high, VecI* low) {
  const VecI rows = load_two_rows(p, q);
  VecI pixels = pixel_pair<Channels, 0>(rows);
  *high = add_i(*high, mul_pairs(pixels, broadcast_i(k[0])));
  *low = add_i(*low, mul_pairs(pixels, broadcast_i(k[2])));
  if (!both) return;
  pixels = pixel_pair<Channels, 1>(rows);
  *high = add_i(*high, mul_pairs(pixels, broadcast_i(k[1])));
  *low = add_i(*low, mul_pairs(pixels, broadcast_i(k[3])));
}

struct FourRows {
  const uint8_t* src;
  uint8_t* dst;
  ptrdiff_t src_row[kRows], dst_row[kRows];
};

// Four samples of four rows. `cut` holds `stride` coefficients a sample, cut in two. Pairs cover
// the widest sample's taps. Most samples have as many or one less, so that only the last pair may
// be skipped: a branch that is mostly guessed, as the pattern is short and the same for all rows.
// Pairs = 0: any number.
template <int Channels, int Pairs>
SQZ_INLINE void four_samples(const FourRows& r, const int32_t* first, const int32_t* count,
                             const int32_t* cut, ptrdiff_t stride, uint8_t* dst, bool reverse,
                             bool spill) {
  const VecI half = broadcast_i(kHalf);
  VecI s[2][4];
  SQZ_UNROLL
  for (int i = 0; i < 4; ++i) {
    const uint8_t* p = r.src + static_cast<ptrdiff_t>(first[i]) * Channels;
    const uint8_t* const ends[4] = {p, p + r.src_row[1], p + r.src_row[2], p + r.src_row[3]};
    const int32_t* k = cut + i * stride;
    VecI high[2] = {broadcast_i(0), broadcast_i(0)}, low[2] = {half, half};
    if constexpr (Pairs == 0) {
      for (int t = 0; t < count[i]; t += kTaps) {
        for (int j = 0; j < 2; ++j)
          add_taps<Channels>(ends[2 * j] + t * Channels, ends[2 * j + 1] + t * Channels, k + t,
                             true, &high[j], &low[j]);
      }
    }
    SQZ_UNROLL
    for (int t = 0; t < 2 * Pairs; t += kTaps) {
      const int left = 2 * Pairs - t;
      if (t > 0 && left == 2 && count[i] <= t) break;
      const bool both = left > kTaps || (left == kTaps && count[i] > t + 2);
      SQZ_UNROLL
      for (int j = 0; j < 2; ++j)
        add_taps<Channels>(ends[2 * j] + t * Channels, ends[2 * j + 1] + t * Channels, k + t, both,
                           &high[j], &low[j]);
    }
    for (int j = 0; j < 2; ++j) s[j][i] = join_halves(high[j], low[j]);
  }
  store_4_pixels<kBits>(dst, dst + r.dst_row[1], s[0], reverse, spill);
  store_4_pixels<kBits>(dst + r.dst_row[2], dst + r.dst_row[3], s[1], reverse, spill);
}

// Samples [begin, end), four or more; where they are no multiple of four, some are done twice.
template <int Channels, int Pairs>
void four_rows(const ResizeRowsArgs& a, const FourRows& r, const int32_t* cut, ptrdiff_t stride,
               int begin, int end) {
  const int32_t* const first = a.taps.first;
  const int32_t* const count = a.taps.count;
  const bool reverse = a.reverse;
  int x = begin;
  for (; x + 4 < end; x += 4)
    four_samples<Channels, Pairs>(r, first + x, count + x, cut + (x - begin) * stride, stride,
                                  r.dst + 3 * static_cast<ptrdiff_t>(x), reverse, true);
  x = end - 4;
  four_samples<Channels, Pairs>(r, first + x, count + x, cut + (x - begin) * stride, stride,
                                r.dst + 3 * static_cast<ptrdiff_t>(x), reverse, false);
}

template <int Channels>
void colour_rows(const ResizeRowsArgs& a, int begin, int end) {
  const int pairs = (a.taps.most + 1) / 2;
  const int reach = (a.taps.most - 1) / kTaps * kTaps;  // the last register's first tap
  const auto rows = pairs == 1   ? four_rows<Channels, 1>
                    : pairs == 2 ? four_rows<Channels, 2>
                    : pairs == 3 ? four_rows<Channels, 3>
                    : pairs == 4 ? four_rows<Channels, 4>
                    : pairs == 5 ? four_rows<Channels, 5>
                    : pairs == 6 ? four_rows<Channels, 6>
                    : pairs == 7 ? four_rows<Channels, 7>
                    : pairs == 8 ? four_rows<Channels, 8>
                                 : four_rows<Channels, 0>;
  int32_t cut[kCut];
  const int stride = (a.taps.most + 2 * kTaps - 1) / (2 * kTaps) * (2 * kTaps);
  const int room = kCut / stride & ~3, block = room < kBlock ? room : kBlock;
  if (block < 8) {  // photos shrunk hundreds of times
    for (int y = begin; y < end; ++y)
      finish_row(a, a.src + y * a.src_row, a.dst + y * a.dst_row, 0, a.out_w);
    return;
  }
  for (int x = 0; x < a.out_w;) {
    // Fewer than four samples are no block of their own.
    const int left = a.out_w - x, size = left < block + 4 && left > block ? block - 4 : block;
    const int stop = left < size ? a.out_w : x + size;
    const int32_t* coeff = a.taps.coeff + static_cast<ptrdiff_t>(x) * a.taps.taps;
    for (int i = 0; i < stop - x; ++i)
      for (int t = 0; t < stride; t += 2 * kTaps)
        split_8(cut + i * stride + t, coeff + static_cast<ptrdiff_t>(i) * a.taps.taps + t);
    for (int y = begin; y < end; y += kRows) {
      // Rows past the end are the last one again: the same bytes are written twice.
      FourRows r = {a.src + y * a.src_row, a.dst + y * a.dst_row, {}, {}};
      for (int i = 0; i < kRows; ++i) {
        const ptrdiff_t ahead = y + i < end ? i : end - 1 - y;
        r.src_row[i] = ahead * a.src_row;
        r.dst_row[i] = ahead * a.dst_row;
      }
      int safe = safe_samples(a, r.src + r.src_row[kRows - 1], stop, reach, kPixelBytes);
      if (safe - x < 4) safe = x;
      if (safe > x) rows(a, r, cut, stride, x, safe);
      if (safe == stop) continue;
      for (int i = 0; i < kRows; ++i)
        finish_row(a, r.src + r.src_row[i], r.dst + r.dst_row[i], safe, stop);
    }
    x = stop;
  }
}

#endif
#if !defined(SQZ_ISA_SCALAR)

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
    const int samples = safe_samples(a, row, a.out_w, 0, kLanes);
    grey_row(a, row, out, samples);
    finish_row(a, row, out, samples, a.out_w);
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
  for (int y = begin; y < end; ++y)
    finish_row(a, a.src + y * a.src_row, a.dst + y * a.dst_row, 0, a.out_w);
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
