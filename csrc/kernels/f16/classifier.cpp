// The classifier in half precision: 1x1 convolution, bias, ReLU and global average pooling, as in
// f32/aarch64/classifier.cpp: the channels of each pixel that are not zero are listed first, once for
// all classes. An item is a block of kListNr classes of one image. The products of a pixel are added
// in half precision, the pixels in float32.
#include "kernels/f16/kernels.h"
#include "kernels/f16/overflow.h"
#include "kernels/f16/tile.h"
#include "kernels/tiles/nonzero_neon.h"
#include "kernels/tiles/places.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kRegisters = kListNr / kLanes;
constexpr int kSpan = 256;  // channels that one call of list_pixel() lists

// A pixel's list: for each channel the offset of its weights in bytes, and its value. The number of
// channels comes first.
SQZ_INLINE int64_t list_size(const HalfClassifierArgs& args) { return 1 + args.x.c; }

SQZ_INLINE uint32_t* list_of(const HalfClassifierArgs& args, int64_t pixel) {
  return args.lists + pixel * list_size(args);
}

SQZ_INLINE Half* values_of(const HalfClassifierArgs& args, int64_t pixel) {
  return args.values + pixel * list_size(args);
}

// clang-format off: a line of assembly or a few in each line

// Multiplies the weights of the channel at `from` by its value, a lane of register 0.
#define SQZ_CHANNEL(from, lane)                                                                    \
  "ld1 {v16.8h-v19.8h}, [" from "], #64\n ld1 {v20.8h-v23.8h}, [" from "]\n"                       \
  "fmla v24.8h, v16.8h, v0.h[" #lane "]\n fmla v25.8h, v17.8h, v0.h[" #lane "]\n"                  \
  "fmla v26.8h, v18.8h, v0.h[" #lane "]\n fmla v27.8h, v19.8h, v0.h[" #lane "]\n"                  \
  "fmla v28.8h, v20.8h, v0.h[" #lane "]\n fmla v29.8h, v21.8h, v0.h[" #lane "]\n"                  \
  "fmla v30.8h, v22.8h, v0.h[" #lane "]\n fmla v31.8h, v23.8h, v0.h[" #lane "]\n"
#define SQZ_TWO_CHANNELS(lane0, lane1)                                                             \
  "ldp %w[one], %w[two], [%[list]], #8\n"                                                          \
  "add %[one], %[one], %[w]\n add %[two], %[two], %[w]\n"                                          \
  SQZ_CHANNEL("%[one]", lane0) SQZ_CHANNEL("%[two]", lane1)
#define SQZ_RELU(s) "fmax v" #s ".8h, v" #s ".8h, v0.8h\n"
// Adds the halves of register s to eight of the sums.
#define SQZ_ADD_TO_SUMS(s)                                                                         \
  "ldp q16, q17, [%[sums]]\n fcvtl v18.4s, v" #s ".4h\n fcvtl2 v19.4s, v" #s ".8h\n"               \
  "fadd v16.4s, v16.4s, v18.4s\n fadd v17.4s, v17.4s, v19.4s\n stp q16, q17, [%[sums]], #32\n"
#define SQZ_EACH_SUM(of) of(24) of(25) of(26) of(27) of(28) of(29) of(30) of(31)

// clang-format on

// sums += relu?(bias + sum over `count` channels of value * weights), for kListNr classes. A channel's
// weights are `list` bytes after `w`.
SQZ_INLINE void add_pixel(const uint32_t* list, const Half* values, ptrdiff_t count, const Half* w,
                          const Half* bias, bool relu, float* sums) {
  ptrdiff_t eights = count / 8, rest = count % 8;
  uint64_t one, two;
  __asm__ volatile(
      "ld1 {v24.8h-v27.8h}, [%[bias]]\n"
      "add %[one], %[bias], #64\n"
      "ld1 {v28.8h-v31.8h}, [%[one]]\n"
      "cbz %[eights], 2f\n"
      "1:\n"
      "ldr q0, [%[values]], #16\n"
      SQZ_TWO_CHANNELS(0, 1) SQZ_TWO_CHANNELS(2, 3) SQZ_TWO_CHANNELS(4, 5) SQZ_TWO_CHANNELS(6, 7)
      "subs %[eights], %[eights], #1\n"
      "b.ne 1b\n"
      "2:\n"
      "cbz %[rest], 4f\n"
      "3:\n"
      "ldr h0, [%[values]], #2\n"
      "ldr %w[one], [%[list]], #4\n"
      "add %[one], %[one], %[w]\n"
      SQZ_CHANNEL("%[one]", 0)
      "subs %[rest], %[rest], #1\n"
      "b.ne 3b\n"
      "4:\n"
      "cbz %w[relu], 5f\n"
      "movi v0.8h, #0\n"
      SQZ_EACH_SUM(SQZ_RELU)
      "5:\n"
      SQZ_EACH_SUM(SQZ_ADD_TO_SUMS)
      : [list] "+&r"(list), [values] "+&r"(values), [eights] "+&r"(eights), [rest] "+&r"(rest),
        [sums] "+&r"(sums), [one] "=&r"(one), [two] "=&r"(two)
      : [w] "r"(w), [bias] "r"(bias), [relu] "r"(static_cast<int>(relu))
      : "cc", "memory", "v0", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25",
        "v26", "v27", "v28", "v29", "v30", "v31");
}

#undef SQZ_EACH_SUM
#undef SQZ_ADD_TO_SUMS
#undef SQZ_RELU
#undef SQZ_TWO_CHANNELS
#undef SQZ_CHANNEL

// Computes the logits of the classes from `first` on. If a sum overflows, they are NaN.
SQZ_NOINLINE void classify(const HalfClassifierArgs& args, int64_t image, int first) {
  const int64_t pixels = pixels_per_image(args.x);
  const Half* const w = args.w + static_cast<ptrdiff_t>(first) * args.x.c;
  const Half* const bias = args.b + first;
  forget_overflow();
  float sums[kListNr];
  for (int r = 0; r < kRegisters; ++r) {
    Vec value = load(bias + r * kLanes);
    if (args.relu) value = max(value, zero());
    const float32x4_t border = vdupq_n_f32(static_cast<float>(args.border));
    vst1q_f32(sums + r * kLanes, vmulq_f32(vcvt_f32_f16(vget_low_f16(value)), border));
    vst1q_f32(sums + r * kLanes + 4, vmulq_f32(vcvt_high_f32_f16(value), border));
  }
  for (int64_t pixel = image * pixels; pixel < (image + 1) * pixels; ++pixel) {
    const uint32_t* const list = list_of(args, pixel);
    add_pixel(list + 1, values_of(args, pixel), *list, w, bias, args.relu, sums);
  }
  float* const logits = args.logits + image * args.classes + first;
  const float divisor = static_cast<float>(pixels + args.border);
  const int classes = min(kListNr, args.classes - first);
  const bool unknown = overflowed();
  for (int i = 0; i < classes; ++i) logits[i] = unknown ? __builtin_nanf("") : sums[i] / divisor;
}

int64_t blocks_of(const HalfClassifierArgs& args) { return ceil_div(args.classes, kListNr); }

}  // namespace

int64_t classifier_f16_entries(const HalfClassifierArgs& args) {
  return args.x.n * pixels_per_image(args.x) * list_size(args);
}

int64_t classifier_list_f16_items(const HalfClassifierArgs& args) {
  return args.x.n * pixels_per_image(args.x);
}

void classifier_list_f16(const HalfClassifierArgs& args, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    const Half* const x =
        pixel_at(args.x, item / pixels_per_image(args.x), item % pixels_per_image(args.x));
    uint32_t* const list = list_of(args, item);
    Half* const values = values_of(args, item);
    uint16_t channels[kSpan + 8];
    uint32_t count = 0;
    for (int first = 0; first < args.x.c; first += kSpan) {
      const int found = list_pixel(x + first, min(args.x.c - first, kSpan), channels);
      for (int entry = 0; entry < found; ++entry, ++count) {
        const uint32_t channel = static_cast<uint32_t>(first) + channels[entry];
        list[1 + count] = channel * kListNr * static_cast<uint32_t>(sizeof(Half));
        values[count] = x[channel];
      }
    }
    list[0] = count;
  }
}

int64_t classifier_f16_items(const HalfClassifierArgs& args) { return args.x.n * blocks_of(args); }

void classifier_f16(const HalfClassifierArgs& args, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item)
    classify(args, item / blocks_of(args), static_cast<int>(item % blocks_of(args)) * kListNr);
}

}  // namespace SQZ_ISA
}  // namespace sqz
