// The register tile of AArch64's convolutions: 4 pixels by 16 output channels, from inputs packed
// as [k][pixel].
//
// The code is assembly because compilers add register moves: they cannot hold four-register loads,
// 16 accumulators and the weights of two steps in 28 registers without them. For in-order cores,
// each step loads the operands of the next one.
#pragma once

#include "kernels/tiles/store.h"
#include "kernels/tuning/tuning.h"

namespace sqz {
namespace SQZ_ISA {

static_assert(kConvMr == 4 && kConvNv == 4, "the tile that is written out below");

#if defined(__GNUC__)

// The accumulators of pixel m are registers 16 + 4m to 19 + 4m. w0 to w3 are the registers of
// weights, and x is the register with the values of the four pixels.
#define SQZ_PIXEL(s0, s1, s2, s3, x, m, w0, w1, w2, w3) \
  "fmla v" #s0 ".4s, v" #w0 ".4s, v" #x ".s[" #m        \
  "]\n"                                                 \
  "fmla v" #s1 ".4s, v" #w1 ".4s, v" #x ".s[" #m        \
  "]\n"                                                 \
  "fmla v" #s2 ".4s, v" #w2 ".4s, v" #x ".s[" #m        \
  "]\n"                                                 \
  "fmla v" #s3 ".4s, v" #w3 ".4s, v" #x ".s[" #m "]\n"
#define SQZ_STEP(x, w0, w1, w2, w3)               \
  SQZ_PIXEL(16, 17, 18, 19, x, 0, w0, w1, w2, w3) \
  SQZ_PIXEL(20, 21, 22, 23, x, 1, w0, w1, w2, w3) \
  SQZ_PIXEL(24, 25, 26, 27, x, 2, w0, w1, w2, w3) \
  SQZ_PIXEL(28, 29, 30, 31, x, 3, w0, w1, w2, w3)
#define SQZ_EVEN_STEP(x) SQZ_STEP(x, 4, 5, 6, 7)
#define SQZ_ODD_STEP(x) SQZ_STEP(x, 8, 9, 10, 11)
#define SQZ_EVEN_WEIGHTS "ld1 {v4.4s-v7.4s}, [%[w]], #64\n"
#define SQZ_ODD_WEIGHTS "ld1 {v8.4s-v11.4s}, [%[w]], #64\n"

// y[pixel][0:16] = relu?(bias + sum over k < depth of packed[k][pixel] * w[k][0:16]), depth > 0.
SQZ_INLINE void multiply_packed(const float* packed, ptrdiff_t depth, const float* w,
                                const float* bias, bool relu, float* const* y) {
  ptrdiff_t fours = depth / 4, rest = depth % 4;
  __asm__ volatile(
      "ld1 {v16.4s-v19.4s}, [%[bias]]\n"
      "mov v20.16b, v16.16b\n mov v21.16b, v17.16b\n mov v22.16b, v18.16b\n mov v23.16b, v19.16b\n"
      "mov v24.16b, v16.16b\n mov v25.16b, v17.16b\n mov v26.16b, v18.16b\n mov v27.16b, v19.16b\n"
      "mov v28.16b, v16.16b\n mov v29.16b, v17.16b\n mov v30.16b, v18.16b\n mov v31.16b, v19.16b\n"
      "cbz %[fours], 3f\n"
      "ldp q0, q1, [%[x]], #32\n" SQZ_EVEN_WEIGHTS
      "subs %[fours], %[fours], #1\n"
      "b.eq 2f\n"
      "1:\n"
      "ldp q2, q3, [%[x]], #32\n"
      SQZ_ODD_WEIGHTS SQZ_EVEN_STEP(0)
      SQZ_EVEN_WEIGHTS SQZ_ODD_STEP(1)
      SQZ_ODD_WEIGHTS SQZ_EVEN_STEP(2)
      "ldp q0, q1, [%[x]], #32\n"
      SQZ_EVEN_WEIGHTS SQZ_ODD_STEP(3)
      "subs %[fours], %[fours], #1\n"
      "b.ne 1b\n"
      "2:\n"
      "ldp q2, q3, [%[x]], #32\n"
      SQZ_ODD_WEIGHTS SQZ_EVEN_STEP(0)
      SQZ_EVEN_WEIGHTS SQZ_ODD_STEP(1)
      SQZ_ODD_WEIGHTS SQZ_EVEN_STEP(2)
      SQZ_ODD_STEP(3)
      "3:\n"
      "cbz %[rest], 5f\n"
      "4:\n"
      "ldr q0, [%[x]], #16\n" SQZ_EVEN_WEIGHTS SQZ_EVEN_STEP(0)
      "subs %[rest], %[rest], #1\n"
      "b.ne 4b\n"
      "5:\n"
      "cbz %w[relu], 6f\n"
      "movi v0.4s, #0\n"
      "fmax v16.4s, v16.4s, v0.4s\n fmax v17.4s, v17.4s, v0.4s\n"
      "fmax v18.4s, v18.4s, v0.4s\n fmax v19.4s, v19.4s, v0.4s\n"
      "fmax v20.4s, v20.4s, v0.4s\n fmax v21.4s, v21.4s, v0.4s\n"
      "fmax v22.4s, v22.4s, v0.4s\n fmax v23.4s, v23.4s, v0.4s\n"
      "fmax v24.4s, v24.4s, v0.4s\n fmax v25.4s, v25.4s, v0.4s\n"
      "fmax v26.4s, v26.4s, v0.4s\n fmax v27.4s, v27.4s, v0.4s\n"
      "fmax v28.4s, v28.4s, v0.4s\n fmax v29.4s, v29.4s, v0.4s\n"
      "fmax v30.4s, v30.4s, v0.4s\n fmax v31.4s, v31.4s, v0.4s\n"
      "6:\n"
      "st1 {v16.4s-v19.4s}, [%[y0]]\n"
      "st1 {v20.4s-v23.4s}, [%[y1]]\n"
      "st1 {v24.4s-v27.4s}, [%[y2]]\n"
      "st1 {v28.4s-v31.4s}, [%[y3]]\n"
      : [x] "+&r"(packed), [w] "+&r"(w), [fours] "+&r"(fours), [rest] "+&r"(rest)
      : [bias] "r"(bias), [relu] "r"(static_cast<int>(relu)), [y0] "r"(y[0]), [y1] "r"(y[1]),
        [y2] "r"(y[2]), [y3] "r"(y[3])
      : "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
        "v29", "v30", "v31");
}

#undef SQZ_ODD_WEIGHTS
#undef SQZ_EVEN_WEIGHTS
#undef SQZ_ODD_STEP
#undef SQZ_EVEN_STEP
#undef SQZ_STEP
#undef SQZ_PIXEL

#else

SQZ_INLINE void multiply_packed(const float* packed, ptrdiff_t depth, const float* w,
                                const float* bias, bool relu, float* const* y) {
  Vec acc[4][4];
  start_tile_at<4>(bias, acc);
  for (ptrdiff_t k = 0; k < depth; ++k, packed += 4, w += 16) {
    const Vec x = load(packed);
    for (int v = 0; v < 4; ++v) {
      const Vec row = load(w + v * kLanes);
      acc[0][v] = fma_lane<0>(row, x, acc[0][v]);
      acc[1][v] = fma_lane<1>(row, x, acc[1][v]);
      acc[2][v] = fma_lane<2>(row, x, acc[2][v]);
      acc[3][v] = fma_lane<3>(row, x, acc[3][v]);
    }
  }
  store_tile<4>(acc, relu, 4, 16, y);
}

#endif

}  // namespace SQZ_ISA
}  // namespace sqz
