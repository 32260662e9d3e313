// The register tile of half precision: 8 pixels, or tiles of Winograd's algorithm, by 16 output
// channels. It has 16 registers of sums, 8 of inputs and 8 of weights.
//
// A register of inputs holds 8 channels of one pixel, of which a multiplication takes one as its
// operand. So inputs are read as they lie in memory. The code is assembly because compilers copy
// the sums of such loops from register to register.
//
// Maps with an odd side, of which there are many, leave one pixel (an odd square is one more than a
// multiple of 8). It has a tile of its own, of 1 x 16.
#pragma once

#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kTilePixels = 8;
inline constexpr int kConvNr = 16;
inline constexpr int kListNr = 64;  // 8 registers of sums for one pixel

// clang-format off: a line of assembly or a few in each line

// A pixel, whose inputs are register x, by 16 channels: weights w0, w1 and sums s0, s1.
#define SQZ_PIXEL(op, x, lane, w0, w1, s0, s1)                                                     \
  op " v" #s0 ".8h, v" #w0 ".8h, v" #x ".h[" #lane "]\n"                                           \
  op " v" #s1 ".8h, v" #w1 ".8h, v" #x ".h[" #lane "]\n"
#define SQZ_ONE_PIXEL(op, lane, w0, w1) SQZ_PIXEL(op, 0, lane, w0, w1, 16, 17)
#define SQZ_EIGHT_PIXELS(op, lane, w0, w1)                                                         \
  SQZ_PIXEL(op, 0, lane, w0, w1, 16, 17) SQZ_PIXEL(op, 1, lane, w0, w1, 18, 19)                    \
  SQZ_PIXEL(op, 2, lane, w0, w1, 20, 21) SQZ_PIXEL(op, 3, lane, w0, w1, 22, 23)                    \
  SQZ_PIXEL(op, 4, lane, w0, w1, 24, 25) SQZ_PIXEL(op, 5, lane, w0, w1, 26, 27)                    \
  SQZ_PIXEL(op, 6, lane, w0, w1, 28, 29) SQZ_PIXEL(op, 7, lane, w0, w1, 30, 31)
#define SQZ_WEIGHTS_A "ld1 {v8.8h-v11.8h}, [%[w]], #64\n"
#define SQZ_WEIGHTS_B "ld1 {v12.8h-v15.8h}, [%[w]], #64\n"

// Eight channels of the pixels of `step`. `op` multiplies the first: fmul starts the sums, fmla continues
// them.
#define SQZ_EIGHT_STEPS(inputs, step, op)                                                          \
  inputs SQZ_WEIGHTS_A SQZ_WEIGHTS_B                                                               \
  step(op, 0, 8, 9) step("fmla", 1, 10, 11) SQZ_WEIGHTS_A                                          \
  step("fmla", 2, 12, 13) step("fmla", 3, 14, 15) SQZ_WEIGHTS_B                                    \
  step("fmla", 4, 8, 9) step("fmla", 5, 10, 11)                                                    \
  step("fmla", 6, 12, 13) step("fmla", 7, 14, 15)

// The last channels, `rest` < 8 of them; the label `end` follows.
#define SQZ_LAST_STEP(step, lane, end)                                                             \
  "ldp q8, q9, [%[w]], #32\n"                                                                      \
  step("fmla", lane, 8, 9)                                                                         \
  "subs %[rest], %[rest], #1\n b.eq " end "\n"
#define SQZ_LAST_STEPS(inputs, step, end)                                                          \
  inputs                                                                                           \
  SQZ_LAST_STEP(step, 0, end) SQZ_LAST_STEP(step, 1, end) SQZ_LAST_STEP(step, 2, end)              \
  SQZ_LAST_STEP(step, 3, end) SQZ_LAST_STEP(step, 4, end) SQZ_LAST_STEP(step, 5, end)              \
  SQZ_LAST_STEP(step, 6, end)

// bias + products, for `step` as above.
#define SQZ_ALL_STEPS(inputs, step)                                                                \
  "cbz %[eights], 2f\n"                                                                            \
  "1:\n"                                                                                           \
  SQZ_EIGHT_STEPS(inputs, step, "fmla")                                                            \
  "subs %[eights], %[eights], #1\n"                                                                \
  "b.ne 1b\n"                                                                                      \
  "2:\n"                                                                                           \
  "cbz %[rest], 3f\n"                                                                              \
  SQZ_LAST_STEPS(inputs, step, "3f")                                                               \
  "3:\n"

// The products alone; `zero` starts the sums if there are less than eight channels.
#define SQZ_ALL_POINT_STEPS(inputs, step, zero)                                                    \
  "cbz %[eights], 2f\n"                                                                            \
  SQZ_EIGHT_STEPS(inputs, step, "fmul")                                                            \
  "subs %[eights], %[eights], #1\n"                                                                \
  "b.eq 3f\n"                                                                                      \
  "1:\n"                                                                                           \
  SQZ_EIGHT_STEPS(inputs, step, "fmla")                                                            \
  "subs %[eights], %[eights], #1\n"                                                                \
  "b.ne 1b\n"                                                                                      \
  "b 3f\n"                                                                                         \
  "2:\n"                                                                                           \
  zero                                                                                             \
  "3:\n"                                                                                           \
  "cbz %[rest], 4f\n"                                                                              \
  SQZ_LAST_STEPS(inputs, step, "4f")                                                               \
  "4:\n"

#define SQZ_BIAS(s0, s1) "mov v" #s0 ".16b, v16.16b\n mov v" #s1 ".16b, v17.16b\n"
#define SQZ_ROWS                                                                                   \
  "ldr q0, [%[x0]], #16\n ldr q1, [%[x1]], #16\n ldr q2, [%[x2]], #16\n ldr q3, [%[x3]], #16\n"    \
  "ldr q4, [%[x4]], #16\n ldr q5, [%[x5]], #16\n ldr q6, [%[x6]], #16\n ldr q7, [%[x7]], #16\n"
// Register 0 is zero. A sum that is infinite becomes NaN.
#define SQZ_MARK(s) "fmla v" #s ".8h, v" #s ".8h, v0.8h\n"
#define SQZ_RELU(s) "fmax v" #s ".8h, v" #s ".8h, v0.8h\n"
#define SQZ_FINISH(each)                                                                           \
  "movi v0.8h, #0\n"                                                                               \
  "cbz %w[checked], 4f\n"                                                                          \
  each(SQZ_MARK)                                                                                   \
  "4:\n"                                                                                           \
  "cbz %w[relu], 5f\n"                                                                             \
  each(SQZ_RELU)                                                                                   \
  "5:\n"
#define SQZ_ONE_SUM(of) of(16) of(17)
#define SQZ_EACH_SUM(of)                                                                           \
  of(16) of(17) of(18) of(19) of(20) of(21) of(22) of(23)                                          \
  of(24) of(25) of(26) of(27) of(28) of(29) of(30) of(31)
#define SQZ_STORE(s0, s1, x)                                                                       \
  "str q" #s0 ", [%[" #x "], %[first]]\n str q" #s1 ", [%[" #x "], %[second]]\n"

#define SQZ_TILE_REGISTERS                                                                         \
  "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14",   \
  "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27",       \
  "v28", "v29", "v30", "v31"

// clang-format on

// y[pixel][first:first + 16] = relu?(bias + sum over k < depth of x[pixel][k] * w[k][0:16]). The
// inputs are read in whole registers. `checked` makes NaNs of infinite sums.
SQZ_INLINE void multiply_rows(const Half* const* x, ptrdiff_t depth, const Half* w,
                              const Half* bias, bool relu, bool checked, Half* const* y,
                              ptrdiff_t first) {
  ptrdiff_t eights = depth / 8, rest = depth % 8;
  const Half *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3], *x4 = x[4], *x5 = x[5], *x6 = x[6],
             *x7 = x[7];
  __asm__ volatile(
      "ldp q16, q17, [%[bias]]\n"
      SQZ_BIAS(18, 19) SQZ_BIAS(20, 21) SQZ_BIAS(22, 23) SQZ_BIAS(24, 25) SQZ_BIAS(26, 27)
      SQZ_BIAS(28, 29) SQZ_BIAS(30, 31)
      SQZ_ALL_STEPS(SQZ_ROWS, SQZ_EIGHT_PIXELS)
      SQZ_FINISH(SQZ_EACH_SUM)
      "ldp %[x0], %[x1], [%[y]]\n ldp %[x2], %[x3], [%[y], #16]\n"
      "ldp %[x4], %[x5], [%[y], #32]\n ldp %[x6], %[x7], [%[y], #48]\n"
      SQZ_STORE(16, 17, x0) SQZ_STORE(18, 19, x1) SQZ_STORE(20, 21, x2) SQZ_STORE(22, 23, x3)
      SQZ_STORE(24, 25, x4) SQZ_STORE(26, 27, x5) SQZ_STORE(28, 29, x6) SQZ_STORE(30, 31, x7)
      : [x0] "+&r"(x0), [x1] "+&r"(x1), [x2] "+&r"(x2), [x3] "+&r"(x3), [x4] "+&r"(x4),
        [x5] "+&r"(x5), [x6] "+&r"(x6), [x7] "+&r"(x7), [w] "+&r"(w), [eights] "+&r"(eights),
        [rest] "+&r"(rest)
      : [bias] "r"(bias), [relu] "r"(static_cast<int>(relu)),
        [checked] "r"(static_cast<int>(checked)), [y] "r"(y), [first] "r"(first * 2),
        [second] "r"(first * 2 + 16)
      : "cc", "memory", SQZ_TILE_REGISTERS);
}

// The same for one pixel: y[0:16].
SQZ_INLINE void multiply_row(const Half* x, ptrdiff_t depth, const Half* w, const Half* bias,
                             bool relu, bool checked, Half* y) {
  ptrdiff_t eights = depth / 8, rest = depth % 8;
  __asm__ volatile("ldp q16, q17, [%[bias]]\n" SQZ_ALL_STEPS("ldr q0, [%[x]], #16\n", SQZ_ONE_PIXEL)
                       SQZ_FINISH(SQZ_ONE_SUM) "stp q16, q17, [%[y]]\n"
                   : [x] "+&r"(x), [w] "+&r"(w), [eights] "+&r"(eights), [rest] "+&r"(rest)
                   : [bias] "r"(bias), [relu] "r"(static_cast<int>(relu)),
                     [checked] "r"(static_cast<int>(checked)), [y] "r"(y)
                   : "cc", "memory", SQZ_TILE_REGISTERS);
}

// clang-format off: a line of assembly or a few in each line
#define SQZ_POINTS "ld1 {v0.8h-v3.8h}, [%[x]], #64\n ld1 {v4.8h-v7.8h}, [%[x]], #64\n"
#define SQZ_ZERO(s) "movi v" #s ".8h, #0\n"
// clang-format on

// y[tile * next + 0:16] = sum over the channels of point[channel / 8][tile][channel % 8] *
// w[channel][0:16], for 8 tiles.
SQZ_INLINE void multiply_point(const Half* point, ptrdiff_t channels, const Half* w, Half* y,
                               ptrdiff_t next) {
  ptrdiff_t eights = channels / 8, rest = channels % 8;
  __asm__ volatile(
      SQZ_ALL_POINT_STEPS(SQZ_POINTS, SQZ_EIGHT_PIXELS, SQZ_EACH_SUM(SQZ_ZERO))
      "st1 {v16.8h, v17.8h}, [%[y]], %[next]\n st1 {v18.8h, v19.8h}, [%[y]], %[next]\n"
      "st1 {v20.8h, v21.8h}, [%[y]], %[next]\n st1 {v22.8h, v23.8h}, [%[y]], %[next]\n"
      "st1 {v24.8h, v25.8h}, [%[y]], %[next]\n st1 {v26.8h, v27.8h}, [%[y]], %[next]\n"
      "st1 {v28.8h, v29.8h}, [%[y]], %[next]\n st1 {v30.8h, v31.8h}, [%[y]]\n"
      : [x] "+&r"(point), [w] "+&r"(w), [eights] "+&r"(eights), [rest] "+&r"(rest), [y] "+&r"(y)
      : [next] "r"(next * 2)
      : "cc", "memory", SQZ_TILE_REGISTERS);
}

// The same for the first of the tiles.
SQZ_INLINE void multiply_first_point(const Half* point, ptrdiff_t channels, const Half* w,
                                     Half* y) {
  static_assert(kTilePixels * kLanes * sizeof(Half) == 128, "from register to register of a tile");
  ptrdiff_t eights = channels / 8, rest = channels % 8;
  __asm__ volatile(SQZ_ALL_POINT_STEPS("ldr q0, [%[x]], #128\n", SQZ_ONE_PIXEL,
                                       SQZ_ONE_SUM(SQZ_ZERO)) "stp q16, q17, [%[y]]\n"
                   : [x] "+&r"(point), [w] "+&r"(w), [eights] "+&r"(eights), [rest] "+&r"(rest)
                   : [y] "r"(y)
                   : "cc", "memory", SQZ_TILE_REGISTERS);
}

#undef SQZ_ZERO
#undef SQZ_POINTS
#undef SQZ_TILE_REGISTERS
#undef SQZ_STORE
#undef SQZ_EACH_SUM
#undef SQZ_ONE_SUM
#undef SQZ_FINISH
#undef SQZ_RELU
#undef SQZ_MARK
#undef SQZ_ROWS
#undef SQZ_BIAS
#undef SQZ_ALL_POINT_STEPS
#undef SQZ_ALL_STEPS
#undef SQZ_LAST_STEPS
#undef SQZ_LAST_STEP
#undef SQZ_EIGHT_STEPS
#undef SQZ_WEIGHTS_B
#undef SQZ_WEIGHTS_A
#undef SQZ_EIGHT_PIXELS
#undef SQZ_ONE_PIXEL
#undef SQZ_PIXEL

}  // namespace SQZ_ISA
}  // namespace sqz
