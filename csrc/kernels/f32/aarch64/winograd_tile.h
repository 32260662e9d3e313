// The products of Winograd's algorithm for AArch64: four tiles by 16 output channels, for one point
// at a time.
//
// Points are packed as [channel / 4][tile][channel % 4], the order of the input transform's
// registers. One instruction loads four channels of all four tiles. The code is assembly for the
// same reason as that of dense_tile.h.
#pragma once

#include "kernels/tuning/tuning.h"

namespace sqz {
namespace SQZ_ISA {

static_assert(kConvMr == 4 && kConvNv == 4, "the tile that is written out below");

// The position of a tile's channels in a packed point, from `channel`, a multiple of kLanes, on.
SQZ_INLINE ptrdiff_t packed_place(ptrdiff_t tile, ptrdiff_t channel) {
  return channel * kConvMr + tile * kLanes;
}

#if defined(__GNUC__)

// Registers v0 to v3 hold the inputs of the four tiles; `k` is the lane of the current channel.
#define SQZ_TILE(op, s0, s1, s2, s3, x, k, w0, w1, w2, w3)                                       \
  op " v" #s0 ".4s, v" #w0 ".4s, v" #x ".s[" #k "]\n" op " v" #s1 ".4s, v" #w1 ".4s, v" #x       \
     ".s[" #k "]\n" op " v" #s2 ".4s, v" #w2 ".4s, v" #x ".s[" #k "]\n" op " v" #s3 ".4s, v" #w3 \
     ".4s, v" #x ".s[" #k "]\n"
#define SQZ_STEP(op, k, w0, w1, w2, w3)              \
  SQZ_TILE(op, 16, 17, 18, 19, 0, k, w0, w1, w2, w3) \
  SQZ_TILE(op, 20, 21, 22, 23, 1, k, w0, w1, w2, w3) \
  SQZ_TILE(op, 24, 25, 26, 27, 2, k, w0, w1, w2, w3) \
  SQZ_TILE(op, 28, 29, 30, 31, 3, k, w0, w1, w2, w3)
#define SQZ_EVEN_STEP(op, k) SQZ_STEP(op, k, 4, 5, 6, 7)
#define SQZ_ODD_STEP(op, k) SQZ_STEP(op, k, 8, 9, 10, 11)
#define SQZ_INPUTS "ld1 {v0.4s-v3.4s}, [%[x]], #64\n"
#define SQZ_EVEN_WEIGHTS "ld1 {v4.4s-v7.4s}, [%[w]], #64\n"
#define SQZ_ODD_WEIGHTS "ld1 {v8.4s-v11.4s}, [%[w]], #64\n"
#define SQZ_THREE_STEPS                                                             \
  SQZ_EVEN_WEIGHTS SQZ_ODD_STEP("fmla", 1) SQZ_ODD_WEIGHTS SQZ_EVEN_STEP("fmla", 2) \
      SQZ_EVEN_WEIGHTS SQZ_ODD_STEP("fmla", 3)

// y[tile * next + 0:16] = the sum over the channels of point[channel][tile] * w[channel][0:16]. It
// also reads one row of weights past the last one.
template <int kTiles>
SQZ_INLINE void multiply_point(const float* point, ptrdiff_t channels, const float* w, float* y,
                               ptrdiff_t next) {
  static_assert(kTiles == kConvMr, "missing tiles are computed, too");
  ptrdiff_t fours = channels / 4, rest = channels % 4;
  __asm__ volatile(
      SQZ_EVEN_WEIGHTS
      "cbz %[fours], 2f\n"
      SQZ_INPUTS SQZ_ODD_WEIGHTS SQZ_EVEN_STEP("fmul", 0) SQZ_THREE_STEPS
      "subs %[fours], %[fours], #1\n"
      "b.eq 3f\n"
      "1:\n"
      SQZ_INPUTS SQZ_ODD_WEIGHTS SQZ_EVEN_STEP("fmla", 0) SQZ_THREE_STEPS
      "subs %[fours], %[fours], #1\n"
      "b.ne 1b\n"
      "b 3f\n"
      "2:\n"
      "movi v16.4s, #0\n movi v17.4s, #0\n movi v18.4s, #0\n movi v19.4s, #0\n"
      "movi v20.4s, #0\n movi v21.4s, #0\n movi v22.4s, #0\n movi v23.4s, #0\n"
      "movi v24.4s, #0\n movi v25.4s, #0\n movi v26.4s, #0\n movi v27.4s, #0\n"
      "movi v28.4s, #0\n movi v29.4s, #0\n movi v30.4s, #0\n movi v31.4s, #0\n"
      "3:\n"
      "cbz %[rest], 4f\n"
      SQZ_INPUTS SQZ_EVEN_STEP("fmla", 0)
      "subs %[rest], %[rest], #1\n"
      "b.eq 4f\n"
      SQZ_EVEN_WEIGHTS SQZ_EVEN_STEP("fmla", 1)
      "subs %[rest], %[rest], #1\n"
      "b.eq 4f\n"
      SQZ_EVEN_WEIGHTS SQZ_EVEN_STEP("fmla", 2)
      "4:\n"
      "st1 {v16.4s-v19.4s}, [%[y]], %[next]\n"
      "st1 {v20.4s-v23.4s}, [%[y]], %[next]\n"
      "st1 {v24.4s-v27.4s}, [%[y]], %[next]\n"
      "st1 {v28.4s-v31.4s}, [%[y]]\n"
      : [x] "+&r"(point), [w] "+&r"(w), [fours] "+&r"(fours), [rest] "+&r"(rest), [y] "+&r"(y)
      : [next] "r"(next * static_cast<ptrdiff_t>(sizeof(float)))
      : "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
        "v29", "v30", "v31");
}

#undef SQZ_THREE_STEPS
#undef SQZ_ODD_WEIGHTS
#undef SQZ_EVEN_WEIGHTS
#undef SQZ_INPUTS
#undef SQZ_ODD_STEP
#undef SQZ_EVEN_STEP
#undef SQZ_STEP
#undef SQZ_TILE

#else

template <int kTiles>
SQZ_INLINE void multiply_point(const float* point, ptrdiff_t channels, const float* w, float* y,
                               ptrdiff_t next) {
  Vec acc[4][4];
  for (int m = 0; m < 4; ++m)
    for (int v = 0; v < 4; ++v) acc[m][v] = zero();
  for (ptrdiff_t channel = 0; channel < channels; ++channel, w += 16) {
    for (int m = 0; m < 4; ++m) {
      const Vec x = broadcast(point[packed_place(m, channel / 4 * 4) + channel % 4]);
      for (int v = 0; v < 4; ++v) acc[m][v] = fma(load(w + v * kLanes), x, acc[m][v]);
    }
  }
  for (int m = 0; m < 4; ++m)
    for (int v = 0; v < 4; ++v) store(y + m * next + v * kLanes, acc[m][v]);
}

#endif

}  // namespace SQZ_ISA
}  // namespace sqz
