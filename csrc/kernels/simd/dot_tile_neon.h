// AArch64 with products of bytes, from the dot-product or the i8mm extension: a register tile of 12
// pixels by 8 output channels, whose inputs are packed.
//
// A step multiplies kGroup bytes of each pixel by kGroup weights of each output channel. Packed, the
// bytes of the pixels of a step are adjacent, and so are its weights, [channel][byte]. Then three
// loads feed 48 multiplications by dot products, or 24 by i8mm: 24 registers of sums leave 8 for
// inputs and weights.
//
// With dot products, a register of sums has 4 channels of a pixel. A pixel's 4 bytes are a lane, by
// which the weights are multiplied. Both must be signed, so packing subtracts 128 from each byte.
// With i8mm, a register has 2 channels of 2 pixels, and an instruction multiplies 8 unsigned bytes of
// each pixel by 8 signed weights of each channel.
//
// The code is assembly because compilers add register moves where so few registers are left.
#pragma once

#include <arm_neon.h>

#define SQZ_TILE

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kSums = 8, kRegisters = 1, kWords = 1, kTall = 12;
inline constexpr int kListRegisters = 8, kListGroup = 4;
// No Winograd's algorithm.
inline constexpr int kPointRegisters = 0, kPointGroup = 0, kDirectCost = 0;
inline constexpr bool kJoins = true;

using Weight = int8_t;

inline constexpr int kChunk = 16;  // bytes of a pixel that are packed together
inline constexpr int kFour = 4;    // pixels that are packed together

#if defined(SQZ_ISA_NEON_I8MM)
inline constexpr int kGroup = 8, kInputOffset = 0, kWeightOffset = 0;
#else
inline constexpr int kGroup = 4, kInputOffset = 128, kWeightOffset = 128;
#endif
inline constexpr ptrdiff_t kFourBytes = kFour * kGroup;  // of a step

// --- Packing -------------------------------------------------------------------------------------

// clang-format off: a line of assembly or a few in each line

// Each store writes a step of four pixels. The steps are `step` bytes apart.
#if defined(SQZ_ISA_NEON_I8MM)
#define SQZ_OFFSET ""
#define SQZ_STORE_CHUNK                                                                            \
  "st4 {v0.d-v3.d}[0], [%[to]], %[step]\n"                                                         \
  "st4 {v0.d-v3.d}[1], [%[to]], %[step]\n"
#else
#define SQZ_OFFSET                                                                                 \
  "eor v0.16b, v0.16b, v4.16b\n eor v1.16b, v1.16b, v4.16b\n"                                      \
  "eor v2.16b, v2.16b, v4.16b\n eor v3.16b, v3.16b, v4.16b\n"
#define SQZ_STORE_CHUNK                                                                            \
  "st4 {v0.s-v3.s}[0], [%[to]], %[step]\n st4 {v0.s-v3.s}[1], [%[to]], %[step]\n"                  \
  "st4 {v0.s-v3.s}[2], [%[to]], %[step]\n st4 {v0.s-v3.s}[3], [%[to]], %[step]\n"
#endif

// clang-format on

// Packs `chunks` > 0 chunks of four pixels. All pointers advance.
SQZ_INLINE void pack_four(const uint8_t** x, ptrdiff_t chunks, uint8_t** to, ptrdiff_t step) {
  __asm__ volatile(
      "movi v4.16b, #128\n"
      "1:\n"
      "ldr q0, [%[a]], #16\n ldr q1, [%[b]], #16\n"
      "ldr q2, [%[c]], #16\n ldr q3, [%[d]], #16\n"
      "subs %[chunks], %[chunks], #1\n" SQZ_OFFSET SQZ_STORE_CHUNK "b.ne 1b\n"
      : [a] "+&r"(x[0]), [b] "+&r"(x[1]), [c] "+&r"(x[2]), [d] "+&r"(x[3]), [to] "+&r"(*to),
        [chunks] "+&r"(chunks)
      : [step] "r"(step)
      : "cc", "memory", "v0", "v1", "v2", "v3", "v4");
}

#undef SQZ_STORE_CHUNK
#undef SQZ_OFFSET

// --- Products ------------------------------------------------------------------------------------

// clang-format off: a line of assembly or a few in each line

// The sums are registers 8 to 31.
#if defined(SQZ_ISA_NEON_I8MM)

// Two pixels, whose bytes are register x, by 8 channels
#define SQZ_TWO(x, s0, s1, s2, s3)                                                                 \
  "usmmla v" #s0 ".4s, v" #x ".16b, v4.16b\n usmmla v" #s1 ".4s, v" #x ".16b, v5.16b\n"            \
  "usmmla v" #s2 ".4s, v" #x ".16b, v6.16b\n usmmla v" #s3 ".4s, v" #x ".16b, v7.16b\n"
#define SQZ_NARROW_STEP                                                                            \
  "ld1 {v4.16b-v7.16b}, [%[w]], #64\n ldp q0, q1, [%[x]], #32\n"                                   \
  SQZ_TWO(0, 8, 9, 10, 11) SQZ_TWO(1, 12, 13, 14, 15)
#define SQZ_WIDE_STEP                                                                              \
  "ld1 {v4.16b-v7.16b}, [%[w]], #64\n ld1 {v0.16b-v2.16b}, [%[x]], #48\n"                          \
  SQZ_TWO(0, 8, 9, 10, 11) SQZ_TWO(1, 12, 13, 14, 15) SQZ_TWO(2, 16, 17, 18, 19)                   \
  "ld1 {v0.16b-v2.16b}, [%[x]], #48\n"                                                             \
  SQZ_TWO(0, 20, 21, 22, 23) SQZ_TWO(1, 24, 25, 26, 27) SQZ_TWO(2, 28, 29, 30, 31)
#define SQZ_WIDE_STEPS SQZ_WIDE_STEP SQZ_WIDE_STEP SQZ_WIDE_STEP SQZ_WIDE_STEP

// Each load repeats the biases of two channels for two pixels.
#define SQZ_BIASES                                                                                 \
  "ld4r {v8.2d-v11.2d}, [%[bias]]\n ld4r {v12.2d-v15.2d}, [%[bias]]\n"                             \
  "ld4r {v16.2d-v19.2d}, [%[bias]]\n ld4r {v20.2d-v23.2d}, [%[bias]]\n"                            \
  "ld4r {v24.2d-v27.2d}, [%[bias]]\n ld4r {v28.2d-v31.2d}, [%[bias]]\n"

#define SQZ_SUMS_OF_TWO(s0, s3) "st4 {v" #s0 ".2d-v" #s3 ".2d}, [%[sums]], #64\n"
#define SQZ_STORE_SUMS                                                                             \
  SQZ_SUMS_OF_TWO(8, 11) SQZ_SUMS_OF_TWO(12, 15) SQZ_SUMS_OF_TWO(16, 19) SQZ_SUMS_OF_TWO(20, 23)   \
  SQZ_SUMS_OF_TWO(24, 27) SQZ_SUMS_OF_TWO(28, 31)

#define SQZ_LOAD_SCALES "ld4r {v0.2d-v3.2d}, [%[scale]]\n"
#define SQZ_LEVELS(s, scale)                                                                       \
  "scvtf v" #s ".4s, v" #s ".4s\n fmul v" #s ".4s, v" #s ".4s, v" #scale ".4s\n"                   \
  "fcvtns v" #s ".4s, v" #s ".4s\n"
#define SQZ_BYTES_OF_TWO(NARROW, s0, s1, s2, s3)                                                   \
  SQZ_LEVELS(s0, 0) SQZ_LEVELS(s1, 1) SQZ_LEVELS(s2, 2) SQZ_LEVELS(s3, 3)                          \
  NARROW(s0, s1) NARROW(s2, s3)                                                                    \
  "sqxtun v" #s0 ".8b, v" #s0 ".8h\n sqxtun2 v" #s0 ".16b, v" #s2 ".8h\n"                          \
  "ldp x9, x10, [%[y]], #16\n"                                                                     \
  "uzp1 v4.8h, v" #s0 ".8h, v" #s0 ".8h\n uzp2 v5.8h, v" #s0 ".8h, v" #s0 ".8h\n"                  \
  "str d4, [x9, %[first]]\n str d5, [x10, %[first]]\n"
#define SQZ_STORE_BYTES(NARROW)                                                                    \
  SQZ_BYTES_OF_TWO(NARROW, 8, 9, 10, 11) SQZ_BYTES_OF_TWO(NARROW, 12, 13, 14, 15) SQZ_END_NARROW   \
  SQZ_BYTES_OF_TWO(NARROW, 16, 17, 18, 19) SQZ_BYTES_OF_TWO(NARROW, 20, 21, 22, 23)                \
  SQZ_BYTES_OF_TWO(NARROW, 24, 25, 26, 27) SQZ_BYTES_OF_TWO(NARROW, 28, 29, 30, 31)

#else

// The pixel in a lane of register x by 8 channels, whose weights are registers w0 and w1
#define SQZ_PIXEL(x, lane, w0, w1, s0, s1)                                                         \
  "sdot v" #s0 ".4s, v" #w0 ".16b, v" #x ".4b[" #lane "]\n"                                        \
  "sdot v" #s1 ".4s, v" #w1 ".16b, v" #x ".4b[" #lane "]\n"
#define SQZ_PIXELS(x, w0, w1, s0, s1, s2, s3, s4, s5, s6, s7)                                      \
  SQZ_PIXEL(x, 0, w0, w1, s0, s1) SQZ_PIXEL(x, 1, w0, w1, s2, s3)                                  \
  SQZ_PIXEL(x, 2, w0, w1, s4, s5) SQZ_PIXEL(x, 3, w0, w1, s6, s7)
#define SQZ_NARROW_STEP                                                                            \
  "ldp q4, q5, [%[w]], #32\n ldr q0, [%[x]], #16\n"                                                \
  SQZ_PIXELS(0, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15)
#define SQZ_WIDE_PRODUCTS(w0, w1)                                                                  \
  "ld1 {v0.16b-v2.16b}, [%[x]], #48\n"                                                             \
  SQZ_PIXELS(0, w0, w1, 8, 9, 10, 11, 12, 13, 14, 15)                                              \
  SQZ_PIXELS(1, w0, w1, 16, 17, 18, 19, 20, 21, 22, 23)                                            \
  SQZ_PIXELS(2, w0, w1, 24, 25, 26, 27, 28, 29, 30, 31)
#define SQZ_WIDE_STEP "ldp q4, q5, [%[w]], #32\n" SQZ_WIDE_PRODUCTS(4, 5)
#define SQZ_TWO_STEPS                                                                              \
  "ld1 {v4.16b-v7.16b}, [%[w]], #64\n" SQZ_WIDE_PRODUCTS(4, 5) SQZ_WIDE_PRODUCTS(6, 7)
#define SQZ_WIDE_STEPS SQZ_TWO_STEPS SQZ_TWO_STEPS

#define SQZ_BIAS(s0, s1) "ldp q" #s0 ", q" #s1 ", [%[bias]]\n"
#define SQZ_BIASES                                                                                 \
  SQZ_BIAS(8, 9) SQZ_BIAS(10, 11) SQZ_BIAS(12, 13) SQZ_BIAS(14, 15)                                \
  SQZ_BIAS(16, 17) SQZ_BIAS(18, 19) SQZ_BIAS(20, 21) SQZ_BIAS(22, 23)                              \
  SQZ_BIAS(24, 25) SQZ_BIAS(26, 27) SQZ_BIAS(28, 29) SQZ_BIAS(30, 31)

#define SQZ_STORE_SUMS                                                                             \
  "st1 {v8.4s-v11.4s}, [%[sums]], #64\n st1 {v12.4s-v15.4s}, [%[sums]], #64\n"                     \
  "st1 {v16.4s-v19.4s}, [%[sums]], #64\n st1 {v20.4s-v23.4s}, [%[sums]], #64\n"                    \
  "st1 {v24.4s-v27.4s}, [%[sums]], #64\n st1 {v28.4s-v31.4s}, [%[sums]], #64\n"

#define SQZ_LOAD_SCALES "ldp q0, q1, [%[scale]]\n"
#define SQZ_BYTES(NARROW, s0, s1)                                                                  \
  "scvtf v" #s0 ".4s, v" #s0 ".4s\n scvtf v" #s1 ".4s, v" #s1 ".4s\n"                              \
  "fmul v" #s0 ".4s, v" #s0 ".4s, v0.4s\n fmul v" #s1 ".4s, v" #s1 ".4s, v1.4s\n"                  \
  "fcvtns v" #s0 ".4s, v" #s0 ".4s\n fcvtns v" #s1 ".4s, v" #s1 ".4s\n"                            \
  NARROW(s0, s1) "sqxtun v" #s0 ".8b, v" #s0 ".8h\n"
#define SQZ_BYTES_OF_TWO(NARROW, s0, s1, s2, s3)                                                   \
  SQZ_BYTES(NARROW, s0, s1) SQZ_BYTES(NARROW, s2, s3) "ldp x9, x10, [%[y]], #16\n"                 \
  "str d" #s0 ", [x9, %[first]]\n str d" #s2 ", [x10, %[first]]\n"
#define SQZ_STORE_BYTES(NARROW)                                                                    \
  SQZ_BYTES_OF_TWO(NARROW, 8, 9, 10, 11) SQZ_BYTES_OF_TWO(NARROW, 12, 13, 14, 15) SQZ_END_NARROW   \
  SQZ_BYTES_OF_TWO(NARROW, 16, 17, 18, 19) SQZ_BYTES_OF_TWO(NARROW, 20, 21, 22, 23)                \
  SQZ_BYTES_OF_TWO(NARROW, 24, 25, 26, 27) SQZ_BYTES_OF_TWO(NARROW, 28, 29, 30, 31)

#endif

// All steps. Narrow tiles have inputs and products of four pixels only.
#define SQZ_MULTIPLY                                                                               \
  SQZ_BIASES                                                                                       \
  "cbz %w[wide], 4f\n"                                                                             \
  "subs %[steps], %[steps], #4\n b.lt 2f\n"                                                        \
  "1:\n" SQZ_WIDE_STEPS "subs %[steps], %[steps], #4\n b.ge 1b\n"                                  \
  "2:\n adds %[steps], %[steps], #4\n b.eq 5f\n"                                                   \
  "3:\n" SQZ_WIDE_STEP "subs %[steps], %[steps], #1\n b.ne 3b\n"                                   \
  "b 5f\n"                                                                                         \
  "4:\n" SQZ_NARROW_STEP "subs %[steps], %[steps], #1\n b.ne 4b\n"                                 \
  "5:\n"
#define SQZ_CLOBBERS                                                                               \
  "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",        \
      "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",          \
      "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"

// Narrow tiles have the results of four pixels only.
#define SQZ_END_NARROW "cbz %w[wide], 6f\n"

// From 32 bits to 16: with limits, or of numbers that fit.
#define SQZ_CLIP(s0, s1) "sqxtn v" #s0 ".4h, v" #s0 ".4s\n sqxtn2 v" #s0 ".8h, v" #s1 ".4s\n"
#define SQZ_CUT(s0, s1) "uzp1 v" #s0 ".8h, v" #s0 ".8h, v" #s1 ".8h\n"

// clang-format on

// The inputs and weights of a tile.
struct TileInputs {
  const uint8_t* x;
  ptrdiff_t steps;  // > 0
  bool wide;        // 12 pixels; otherwise 4, and the other results mean nothing
};

// clang-format off: a line of assembly or a few in each line
#define SQZ_MULTIPLY_TO_BYTES(NARROW)                                                              \
  __asm__ volatile(SQZ_MULTIPLY SQZ_LOAD_SCALES SQZ_STORE_BYTES(NARROW) "6:\n"                     \
                   : [x] "+&r"(in.x), [w] "+&r"(w), [steps] "+&r"(in.steps), [y] "+&r"(y)          \
                   : [wide] "r"(static_cast<int>(in.wide)), [bias] "r"(bias), [scale] "r"(scale),  \
                     [first] "r"(first)                                                            \
                   : "x9", "x10", SQZ_CLOBBERS)

// clang-format on

// y[pixel][first:first + 8] = bytes of (bias + products) * scale. `narrow`: see ByteConvArgs.
SQZ_INLINE void multiply_to_bytes(TileInputs in, const Weight* w, const int32_t* bias,
                                  const float* scale, bool narrow, uint8_t* const* y,
                                  ptrdiff_t first) {
  if (narrow)
    SQZ_MULTIPLY_TO_BYTES(SQZ_CUT);
  else
    SQZ_MULTIPLY_TO_BYTES(SQZ_CLIP);
}

// sums[pixel][0:8] = bias + products
SQZ_INLINE void multiply_to_sums(TileInputs in, const Weight* w, const int32_t* bias,
                                 int32_t* sums) {
  __asm__ volatile(SQZ_MULTIPLY SQZ_STORE_SUMS
                   : [x] "+&r"(in.x), [w] "+&r"(w), [steps] "+&r"(in.steps), [sums] "+&r"(sums)
                   : [wide] "r"(static_cast<int>(in.wide)), [bias] "r"(bias)
                   : SQZ_CLOBBERS);
}

// --- The classifier's lists ----------------------------------------------------------------------

struct Sums {
  int32x4_t low, high;
};

SQZ_INLINE Sums zero_sums() { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
SQZ_INLINE void store_sums(int32_t* p, Sums v) { vst1q_s32(p, v.low), vst1q_s32(p + 4, v.high); }

// clang-format off: a line of assembly or a few in each line
#if defined(SQZ_ISA_NEON_I8MM)
#define SQZ_LISTED "sudot"  // signed weights by unsigned bytes
#else
#define SQZ_LISTED "udot"
#endif
#define SQZ_QUARTER(lane, s0, s1, s2, s3)                                                          \
  "ld1 {v4.16b-v7.16b}, [x9], #64\n"                                                               \
  SQZ_LISTED " v" #s0 ".4s, v4.16b, v0.4b[" #lane "]\n"                                            \
  SQZ_LISTED " v" #s1 ".4s, v5.16b, v0.4b[" #lane "]\n"                                            \
  SQZ_LISTED " v" #s2 ".4s, v6.16b, v0.4b[" #lane "]\n"                                            \
  SQZ_LISTED " v" #s3 ".4s, v7.16b, v0.4b[" #lane "]\n"
#define SQZ_WORD(lane)                                                                             \
  "ldr w9, [%[list]], #4\n add x9, %[w], x9, lsl #8\n"                                             \
  SQZ_QUARTER(lane, 16, 17, 18, 19) SQZ_QUARTER(lane, 20, 21, 22, 23)                              \
  SQZ_QUARTER(lane, 24, 25, 26, 27) SQZ_QUARTER(lane, 28, 29, 30, 31)

#if defined(SQZ_ISA_NEON_I8MM)
#define SQZ_EXTRA(s0, s1, s2, s3)
#else
#define SQZ_EXTRA(s0, s1, s2, s3)                                                                  \
  "add v" #s0 ".4s, v" #s0 ".4s, v1.4s\n add v" #s1 ".4s, v" #s1 ".4s, v1.4s\n"                    \
  "add v" #s2 ".4s, v" #s2 ".4s, v1.4s\n add v" #s3 ".4s, v" #s3 ".4s, v1.4s\n"
#endif
#define SQZ_START(s0, s1, s2, s3)                                                                  \
  "ld1 {v" #s0 ".4s-v" #s3 ".4s}, [%[bias]], #64\n" SQZ_EXTRA(s0, s1, s2, s3)
#define SQZ_ADD(s0, s1, s2, s3)                                                                    \
  "ld1 {v4.4s-v7.4s}, [%[total]]\n"                                                                \
  "smax v" #s0 ".4s, v" #s0 ".4s, v2.4s\n smax v" #s1 ".4s, v" #s1 ".4s, v2.4s\n"                  \
  "smax v" #s2 ".4s, v" #s2 ".4s, v2.4s\n smax v" #s3 ".4s, v" #s3 ".4s, v2.4s\n"                  \
  "add v4.4s, v4.4s, v" #s0 ".4s\n add v5.4s, v5.4s, v" #s1 ".4s\n"                                \
  "add v6.4s, v6.4s, v" #s2 ".4s\n add v7.4s, v7.4s, v" #s3 ".4s\n"                                \
  "st1 {v4.4s-v7.4s}, [%[total]], #64\n"

// See dot.h.
SQZ_INLINE void add_listed(const int32_t* list, int entries, const uint32_t* words,
                           const Weight* w, const int32_t* bias, int32_t extra, bool relu,
                           Sums* total) {
  ptrdiff_t left = entries;
  __asm__ volatile(
      "dup v1.4s, %w[extra]\n dup v2.4s, %w[least]\n"
      SQZ_START(16, 17, 18, 19) SQZ_START(20, 21, 22, 23)
      SQZ_START(24, 25, 26, 27) SQZ_START(28, 29, 30, 31)
      "subs %[left], %[left], #4\n b.lt 2f\n"
      "1:\n ldr q0, [%[words]], #16\n"
      SQZ_WORD(0) SQZ_WORD(1) SQZ_WORD(2) SQZ_WORD(3)
      "subs %[left], %[left], #4\n b.ge 1b\n"
      "2:\n adds %[left], %[left], #4\n b.eq 4f\n"
      "3:\n ldr s0, [%[words]], #4\n"
      SQZ_WORD(0)
      "subs %[left], %[left], #1\n b.ne 3b\n"
      "4:\n"
      SQZ_ADD(16, 17, 18, 19) SQZ_ADD(20, 21, 22, 23)
      SQZ_ADD(24, 25, 26, 27) SQZ_ADD(28, 29, 30, 31)
      : [list] "+&r"(list), [words] "+&r"(words), [left] "+&r"(left), [bias] "+&r"(bias),
        [total] "+&r"(total)
      : [w] "r"(w), [extra] "r"(extra), [least] "r"(relu ? 0 : INT32_MIN)
      : "x9", "cc", "memory", "v0", "v1", "v2", "v4", "v5", "v6", "v7", "v16", "v17", "v18",
        "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

// clang-format on

}  // namespace SQZ_ISA
}  // namespace sqz
