// Antialiased separable resize in Pillow's integer arithmetic, and normalization.
//
// The rows pass comes first (uint8 to uint8). The columns pass follows and normalizes what it
// computes (uint8 to float32). Coefficients have 22 fractional bits, and each pass rounds half up
// and clamps. Pillow's 8-bit path does the same, so the pixel values are equal. The caller
// alternates the two passes over a few rows at a time, so that the intermediate rows stay in the L1
// cache. Where the columns have to come first, their pass writes bytes; a columns pass with one tap
// then normalizes.
//
// Rows pass: a register holds one output sample of two rows, as int32 (r, g, b, unused). The
// coefficients are split into two parts because the instruction that multiplies 16-bit words adds
// the products in pairs, here those of two adjacent taps. Four rows are computed together because
// they share the coefficients. Four samples are computed together because rounding, packing and
// storing four sums costs as much as for one. In a gray row, a register instead holds kLanes taps
// of one output sample.
// Columns pass: a register holds kLanes adjacent bytes of a row. The channel pattern repeats every
// three registers, so mean and scale stay in registers.
#include "kernels/pixels/rows.h"
#include "kernels/simd/integers.h"

#if defined(SQZ_ISA_NEON)
#include "kernels/pixels/rows_neon.h"
#endif

namespace sqz {
namespace SQZ_ISA {
namespace {

#if defined(SQZ_ISA_AVX2)

constexpr int kRows = 4;
constexpr int kTaps = 4;            // per register, of each row
constexpr int kBlock = 256;         // samples whose coefficients are split together, at most
constexpr int kSplitCoeffs = 7168;  // coefficients of these samples, at most: 28 KB of the stack

// Adds four taps of two rows, or only the first two unless `both`. `coeff` is as split_8 gives it.
template <int Channels>
SQZ_INLINE void add_taps(const uint8_t* row0, const uint8_t* row1, const int32_t* coeff, bool both,
                         VecI* high, VecI* low) {
  const VecI rows = load_two_rows(row0, row1);
  VecI pixels = pixel_pair<Channels, 0>(rows);
  *high = add_i(*high, mul_pairs(pixels, broadcast_i(coeff[0])));
  *low = add_i(*low, mul_pairs(pixels, broadcast_i(coeff[2])));
  if (!both) return;
  pixels = pixel_pair<Channels, 1>(rows);
  *high = add_i(*high, mul_pairs(pixels, broadcast_i(coeff[1])));
  *low = add_i(*low, mul_pairs(pixels, broadcast_i(coeff[3])));
}

struct FourRows {
  const uint8_t* src;
  uint8_t* dst;
  ptrdiff_t src_row[kRows], dst_row[kRows];
};

// Computes four samples of four rows. `split` holds `stride` split coefficients per sample. `Pairs`
// pairs of taps cover the sample with the most taps. Most samples have that many taps or one less,
// so only the last pair may be skipped. The branch is usually predicted, because the pattern is
// short and the same for all rows. With Pairs = 0 the number of taps is arbitrary.
template <int Channels, int Pairs>
SQZ_INLINE void four_samples(const FourRows& rows, const int32_t* first, const int32_t* count,
                             const int32_t* split, ptrdiff_t stride, uint8_t* dst, bool reverse,
                             bool spill) {
  const VecI half = broadcast_i(kHalf);
  VecI sums[2][4];
  SQZ_UNROLL
  for (int i = 0; i < 4; ++i) {
    const uint8_t* top = rows.src + static_cast<ptrdiff_t>(first[i]) * Channels;
    const uint8_t* const src[4] = {top, top + rows.src_row[1], top + rows.src_row[2],
                                   top + rows.src_row[3]};
    const int32_t* coeff = split + i * stride;
    VecI high[2] = {broadcast_i(0), broadcast_i(0)}, low[2] = {half, half};
    if constexpr (Pairs == 0) {
      for (int tap = 0; tap < count[i]; tap += kTaps) {
        for (int j = 0; j < 2; ++j)
          add_taps<Channels>(src[2 * j] + tap * Channels, src[2 * j + 1] + tap * Channels,
                             coeff + tap, true, &high[j], &low[j]);
      }
    }
    SQZ_UNROLL
    for (int tap = 0; tap < 2 * Pairs; tap += kTaps) {
      const int left = 2 * Pairs - tap;
      if (tap > 0 && left == 2 && count[i] <= tap) break;
      const bool both = left > kTaps || (left == kTaps && count[i] > tap + 2);
      SQZ_UNROLL
      for (int j = 0; j < 2; ++j)
        add_taps<Channels>(src[2 * j] + tap * Channels, src[2 * j + 1] + tap * Channels,
                           coeff + tap, both, &high[j], &low[j]);
    }
    for (int j = 0; j < 2; ++j) sums[j][i] = join_halves(high[j], low[j]);
  }
  store_4_pixels<kBits>(dst, dst + rows.dst_row[1], sums[0], reverse, spill);
  store_4_pixels<kBits>(dst + rows.dst_row[2], dst + rows.dst_row[3], sums[1], reverse, spill);
}

// Computes the samples [begin, end), four or more. Where their number is not a multiple of four,
// some are computed twice.
template <int Channels, int Pairs>
void four_rows(const ResizeRowsArgs& args, const FourRows& rows, const int32_t* split,
               ptrdiff_t stride, int begin, int end) {
  const int32_t* const first = args.taps.first;
  const int32_t* const count = args.taps.count;
  const bool reverse = args.reverse;
  int x = begin;
  for (; x + 4 < end; x += 4)
    four_samples<Channels, Pairs>(rows, first + x, count + x, split + (x - begin) * stride, stride,
                                  rows.dst + 3 * static_cast<ptrdiff_t>(x), reverse, true);
  x = end - 4;
  four_samples<Channels, Pairs>(rows, first + x, count + x, split + (x - begin) * stride, stride,
                                rows.dst + 3 * static_cast<ptrdiff_t>(x), reverse, false);
}

template <int Channels>
void color_rows(const ResizeRowsArgs& args, int begin, int end) {
  const int pairs = (args.taps.most + 1) / 2;
  const int reach = (args.taps.most - 1) / kTaps * kTaps;  // the last register's first tap
  const auto compute = pairs == 1   ? four_rows<Channels, 1>
                       : pairs == 2 ? four_rows<Channels, 2>
                       : pairs == 3 ? four_rows<Channels, 3>
                       : pairs == 4 ? four_rows<Channels, 4>
                       : pairs == 5 ? four_rows<Channels, 5>
                       : pairs == 6 ? four_rows<Channels, 6>
                       : pairs == 7 ? four_rows<Channels, 7>
                       : pairs == 8 ? four_rows<Channels, 8>
                                    : four_rows<Channels, 0>;
  int32_t split[kSplitCoeffs];
  const int stride = ceil_div(args.taps.most, 2 * kTaps) * (2 * kTaps);
  const int room = kSplitCoeffs / stride & ~3, block = min(room, kBlock);
  if (block < 8) {  // a photo hundreds of times larger than the output
    for (int y = begin; y < end; ++y)
      finish_row(args, args.src + y * args.src_row, args.dst + y * args.dst_row, 0, args.out_w);
    return;
  }
  for (int x = 0; x < args.out_w;) {
    // No block has fewer than four samples, unless the whole row has.
    const int left = args.out_w - x, size = left < block + 4 && left > block ? block - 4 : block;
    const int stop = left < size ? args.out_w : x + size;
    const int32_t* coeff = args.taps.coeff + static_cast<ptrdiff_t>(x) * args.taps.taps;
    for (int i = 0; i < stop - x; ++i)
      for (int tap = 0; tap < stride; tap += 2 * kTaps)
        split_8(split + i * stride + tap, coeff + static_cast<ptrdiff_t>(i) * args.taps.taps + tap);
    for (int y = begin; y < end; y += kRows) {
      // Past the end the last row is computed again and the same bytes are rewritten.
      FourRows rows = {args.src + y * args.src_row, args.dst + y * args.dst_row, {}, {}};
      for (int i = 0; i < kRows; ++i) {
        const ptrdiff_t ahead = y + i < end ? i : end - 1 - y;
        rows.src_row[i] = ahead * args.src_row;
        rows.dst_row[i] = ahead * args.dst_row;
      }
      int safe = safe_samples(args, rows.src + rows.src_row[kRows - 1], stop, reach, kPixelBytes);
      if (safe - x < 4) safe = x;
      if (safe > x) compute(args, rows, split, stride, x, safe);
      if (safe == stop) continue;
      for (int i = 0; i < kRows; ++i)
        finish_row(args, rows.src + rows.src_row[i], rows.dst + rows.dst_row[i], safe, stop);
    }
    x = stop;
  }
}

#endif
#if !defined(SQZ_ISA_SCALAR)

void gray_row(const ResizeRowsArgs& args, const uint8_t* row, uint8_t* out, int samples) {
  const int32_t* coeff = args.taps.coeff;
  for (int x = 0; x < samples; ++x, coeff += args.taps.taps, out += 3) {
    const uint8_t* src = row + args.taps.first[x];
    VecI sum = mul_i(load_u8(src), load_i(coeff));
    for (int tap = kLanes; tap < args.taps.count[x]; tap += kLanes)
      sum = add_i(sum, mul_i(load_u8(src + tap), load_i(coeff + tap)));
    out[0] = out[1] = out[2] = rounded(kHalf + reduce_add_i(sum));
  }
}

void gray_rows(const ResizeRowsArgs& args, int begin, int end) {
  for (int y = begin; y < end; ++y) {
    const uint8_t* row = args.src + y * args.src_row;
    uint8_t* out = args.dst + y * args.dst_row;
    const int samples = safe_samples(args, row, args.out_w, 0, kLanes);
    gray_row(args, row, out, samples);
    finish_row(args, row, out, samples, args.out_w);
  }
}

#endif

SQZ_INLINE VecI levels(VecI sum) { return clamp_u8(shift_right_i<kBits>(sum)); }

// The source of one output row of the columns pass.
struct Column {
  const uint8_t* src;
  ptrdiff_t row;
  const int32_t* coeff;
  int count;
};

SQZ_INLINE Column column_of(const ResizeColumnsArgs& args, int y) {
  return {args.src + (args.taps.first[y] - args.first_row) * args.src_row, args.src_row,
          args.taps.coeff + static_cast<ptrdiff_t>(y) * args.taps.taps, args.taps.count[y]};
}

// Computes the sums of kCount registers of values, from value `at` on.
template <int kCount>
SQZ_INLINE void sum_columns(const Column& column, int at, VecI* sums) {
  SQZ_UNROLL
  for (int i = 0; i < kCount; ++i) sums[i] = broadcast_i(kHalf);
  const uint8_t* src = column.src + at;
  for (int tap = 0; tap < column.count; ++tap, src += column.row) {
    const VecI coeff = broadcast_i(column.coeff[tap]);
    SQZ_UNROLL
    for (int i = 0; i < kCount; ++i)
      sums[i] = add_i(sums[i], mul_i(load_u8(src + i * kLanes), coeff));
  }
}

uint8_t single(const Column& column, int at) {
  int32_t sum = kHalf;
  for (int tap = 0; tap < column.count; ++tap)
    sum += column.coeff[tap] * column.src[tap * column.row + at];
  return rounded(sum);
}

void columns_to_bytes(const ResizeColumnsArgs& args, int begin, int end) {
  for (int y = begin; y < end; ++y) {
    const Column column = column_of(args, y);
    uint8_t* out = args.bytes + y * args.bytes_row;
    int at = 0;
    VecI sums[4];
    for (; at + 4 * kLanes <= args.size; at += 4 * kLanes) {
      sum_columns<4>(column, at, sums);
      SQZ_UNROLL
      for (int i = 0; i < 4; ++i) store_u8(out + at + i * kLanes, levels(sums[i]));
    }
    for (; at + kLanes <= args.size; at += kLanes) {
      sum_columns<1>(column, at, sums);
      store_u8(out + at, levels(sums[0]));
    }
    for (; at < args.size; ++at) out[at] = single(column, at);
  }
}

void columns_to_floats(const ResizeColumnsArgs& args, int begin, int end) {
  // One period of the channel pattern in whole registers. What remains of a row after the whole
  // periods starts with the first of these three registers, too.
  float pattern[6 * kLanes];
  for (int i = 0; i < 3 * kLanes; ++i) {
    pattern[i] = args.mean[i % 3];
    pattern[3 * kLanes + i] = args.scale[i % 3];
  }
  Vec mean[3], scale[3];
  for (int i = 0; i < 3; ++i) {
    mean[i] = load(pattern + i * kLanes);
    scale[i] = load(pattern + (3 + i) * kLanes);
  }
  for (int y = begin; y < end; ++y) {
    const Column column = column_of(args, y);
    float* out = args.dst + y * args.dst_row;
    int at = 0;
    VecI sums[3];
    for (; at + 3 * kLanes <= args.size; at += 3 * kLanes) {
      sum_columns<3>(column, at, sums);
      SQZ_UNROLL
      for (int i = 0; i < 3; ++i) {
        const Vec level = to_float(levels(sums[i]));
        store(out + at + i * kLanes, mul(sub(level, mean[i]), scale[i]));
      }
    }
    for (int i = 0; at + kLanes <= args.size; at += kLanes, ++i) {
      sum_columns<1>(column, at, sums);
      store(out + at, mul(sub(to_float(levels(sums[0])), mean[i]), scale[i]));
    }
    for (; at < args.size; ++at)
      out[at] = (static_cast<float>(single(column, at)) - args.mean[at % 3]) * args.scale[at % 3];
  }
}

}  // namespace

void resize_rows_u8(const ResizeRowsArgs& args, int begin, int end) {
#if defined(SQZ_ISA_SCALAR)
  for (int y = begin; y < end; ++y)
    finish_row(args, args.src + y * args.src_row, args.dst + y * args.dst_row, 0, args.out_w);
#else
  if (args.channels == 1)
    gray_rows(args, begin, end);
  else if (args.channels == 3)
    color_rows<3>(args, begin, end);
  else
    color_rows<4>(args, begin, end);
#endif
}

void resize_columns_f32(const ResizeColumnsArgs& args, int begin, int end) {
  if (args.dst)
    columns_to_floats(args, begin, end);
  else
    columns_to_bytes(args, begin, end);
}

}  // namespace SQZ_ISA
}  // namespace sqz
