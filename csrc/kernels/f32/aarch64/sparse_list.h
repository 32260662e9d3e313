// 1x1 products that skip zeros, for AArch64. Unlike in tiles/sparse.h, each list is that of one
// pixel.
//
// AArch64 has 32 registers, loads of four registers and multiplications by one lane, so a single
// pixel keeps the multipliers busy. Its list holds only its own nonzero channels, while a tile of
// pixels has to process the union of theirs.
//
// The loops are assembly, for in-order cores: registers of weights are loaded for the next channel as
// soon as the current one is multiplied, and addresses, which come from memory, before that. Loops of
// intrinsics load and multiply in turn, and compilers move the loads to their use.
#pragma once

#include "kernels/tiles/nonzero_neon.h"
#include "kernels/tuning/tuning.h"

namespace sqz {
namespace SQZ_ISA {

static_assert(kConvNv == 4 && kWalkBlocks == 2, "the loops that are written out below");

// The entries that a walk reads past the end of a list.
inline constexpr int kReadAhead = 4;

#if defined(__GNUC__)

// clang-format off: a line of assembly or a few in each line

#define SQZ_PRODUCTS(a0, a1, a2, a3, w0, w1, w2, w3, value)                                        \
  "fmla %[" #a0 "].4s, v" #w0 ".4s, " value "\n fmla %[" #a1 "].4s, v" #w1 ".4s, " value "\n"      \
  "fmla %[" #a2 "].4s, v" #w2 ".4s, " value "\n fmla %[" #a3 "].4s, v" #w3 ".4s, " value "\n"
#define SQZ_OPERANDS_OF_FOUR(acc)                                                                  \
  [a0] "+w"((acc)[0]), [a1] "+w"((acc)[1]), [a2] "+w"((acc)[2]), [a3] "+w"((acc)[3])
#define SQZ_OPERANDS_OF_EIGHT(acc)                                                                 \
  SQZ_OPERANDS_OF_FOUR(acc), [a4] "+w"((acc)[4]), [a5] "+w"((acc)[5]), [a6] "+w"((acc)[6]),        \
      [a7] "+w"((acc)[7])
#define SQZ_CLOBBERED                                                                              \
  "cc", "memory", "v0", "v1", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23"

// acc[0:4] += the sum over `count` channels of x[channel] * w[channel][0:16]. The kReadAhead entries
// after the list must be channels, too. The last channel, the third last and so on have the registers
// v1 and v20 to v23, the others v0 and v16 to v19.
#define SQZ_LOAD(s, w0, w3, channel)                                                               \
  "ldrh %w[" channel "], [%[list]], #2\n ldr " s ", [%[x], %[" channel "], lsl #2]\n"              \
  "add %[at], %[w], %[" channel "], lsl #6\n ld1 {v" #w0 ".4s-v" #w3 ".4s}, [%[at]]\n"
#define SQZ_LOOK_AHEAD(channel, following)                                                         \
  "ldrh %w[" channel "], [%[list]], #2\n ldrh %w[" following "], [%[list]], #2\n"                  \
  "add %[at], %[w], %[" channel "], lsl #6\n"
#define SQZ_STEP(v, w0, w1, w2, w3, channel, following)                                            \
  SQZ_PRODUCTS(a0, a1, a2, a3, w0, w1, w2, w3, "v" #v ".s[0]")                                     \
  "ld1 {v" #w0 ".4s-v" #w3 ".4s}, [%[at]]\n ldr s" #v ", [%[x], %[" channel "], lsl #2]\n"         \
  "add %[at], %[w], %[" following "], lsl #6\n ldrh %w[" channel "], [%[list]], #2\n"
SQZ_INLINE void walk_one_block(const uint16_t* list, ptrdiff_t count, const float* x,
                               const float* w, Vec* acc) {
  const float* at;  // the weights of the next channel to load
  ptrdiff_t even, odd;
  __asm__ volatile(
      "cbz %[count], 4f\n"
      "tbz %[count], #0, 1f\n"
      SQZ_LOAD("s1", 20, 23, "odd")
      SQZ_LOAD("s0", 16, 19, "even")
      SQZ_LOOK_AHEAD("odd", "even")
      "b 3f\n"
      "1:\n"
      SQZ_LOAD("s0", 16, 19, "even")
      SQZ_LOAD("s1", 20, 23, "odd")
      SQZ_LOOK_AHEAD("even", "odd")
      "2:\n"
      SQZ_STEP(0, 16, 17, 18, 19, "even", "odd")
      "3:\n"
      SQZ_STEP(1, 20, 21, 22, 23, "odd", "even")
      "subs %[count], %[count], #2\n"
      "b.gt 2b\n"
      "4:\n"
      : SQZ_OPERANDS_OF_FOUR(acc), [list] "+&r"(list), [count] "+&r"(count), [at] "=&r"(at),
        [even] "=&r"(even), [odd] "=&r"(odd)
      : [x] "r"(x), [w] "r"(w)
      : SQZ_CLOBBERED);
}
#undef SQZ_STEP
#undef SQZ_LOOK_AHEAD
#undef SQZ_LOAD

// The same for two blocks, whose weights lie `next_block` floats apart: acc[4:8] are the second's.
#define SQZ_NEXT_CHANNEL(s)                                                                        \
  "ldrh %w[channel], [%[list]], #2\n ldr " s ", [%[x], %[channel], lsl #2]\n"                      \
  "add %[at], %[w], %[channel], lsl #6\n"
#define SQZ_STEP(now, following)                                                                   \
  SQZ_PRODUCTS(a0, a1, a2, a3, 16, 17, 18, 19, "v" now ".s[0]")                                    \
  SQZ_NEXT_CHANNEL("s" following) "ld1 {v16.4s-v19.4s}, [%[at]], %[next]\n"                        \
  SQZ_PRODUCTS(a4, a5, a6, a7, 20, 21, 22, 23, "v" now ".s[0]")                                    \
  "ld1 {v20.4s-v23.4s}, [%[at]]\n"
SQZ_INLINE void walk_two_blocks(const uint16_t* list, ptrdiff_t count, const float* x,
                                const float* w, ptrdiff_t next_block, Vec* acc) {
  const float* at;
  ptrdiff_t channel;
  __asm__ volatile(
      "cbz %[count], 3f\n"
      SQZ_NEXT_CHANNEL("s0")
      "ld1 {v16.4s-v19.4s}, [%[at]], %[next]\n"
      "ld1 {v20.4s-v23.4s}, [%[at]]\n"
      "mov v1.16b, v0.16b\n"
      "tbnz %[count], #0, 2f\n"
      "1:\n"
      SQZ_STEP("0", "1")
      "2:\n"
      SQZ_STEP("1", "0")
      "subs %[count], %[count], #2\n"
      "b.gt 1b\n"
      "3:\n"
      : SQZ_OPERANDS_OF_EIGHT(acc), [list] "+&r"(list), [count] "+&r"(count), [at] "=&r"(at),
        [channel] "=&r"(channel)
      : [x] "r"(x), [w] "r"(w), [next] "r"(next_block * static_cast<ptrdiff_t>(sizeof(float)))
      : SQZ_CLOBBERED);
}
#undef SQZ_STEP
#undef SQZ_NEXT_CHANNEL

// acc[0:8] += the sum over 4 * fours entries of value * the two blocks of weights that lie `offset`
// bytes after w. It reads kReadAhead entries past the last one; their offsets must be valid.
#define SQZ_NEXT_OFFSETS "ldp %w[next_even], %w[next_odd], [%[offsets]], #8\n"
#define SQZ_ADDRESSES "add %[even], %[w], %[next_even]\n add %[odd], %[w], %[next_odd]\n"
#define SQZ_LOAD_EVEN                                                                              \
  "ld1 {v16.4s-v19.4s}, [%[even]], %[next]\n ld1 {v20.4s-v23.4s}, [%[even]]\n"
#define SQZ_LOAD_ODD "ld1 {v4.4s-v7.4s}, [%[odd]], %[next]\n ld1 {v8.4s-v11.4s}, [%[odd]]\n"
#define SQZ_EVEN_PRODUCTS(value)                                                                   \
  SQZ_PRODUCTS(a0, a1, a2, a3, 16, 17, 18, 19, value)                                              \
  SQZ_PRODUCTS(a4, a5, a6, a7, 20, 21, 22, 23, value)
#define SQZ_ODD_PRODUCTS(value)                                                                    \
  SQZ_PRODUCTS(a0, a1, a2, a3, 4, 5, 6, 7, value) SQZ_PRODUCTS(a4, a5, a6, a7, 8, 9, 10, 11, value)
SQZ_INLINE void walk_entries(const int32_t* offsets, const float* values, ptrdiff_t fours,
                             const float* w, ptrdiff_t next_block, Vec* acc) {
  uint64_t even, odd, next_even, next_odd;
  __asm__ volatile(
      "cbz %[fours], 2f\n"
      SQZ_NEXT_OFFSETS
      "ldr q0, [%[values]], #16\n"
      SQZ_ADDRESSES SQZ_NEXT_OFFSETS SQZ_LOAD_EVEN
      "1:\n"
      SQZ_LOAD_ODD SQZ_ADDRESSES SQZ_NEXT_OFFSETS
      "ldr q1, [%[values]], #16\n"
      SQZ_EVEN_PRODUCTS("v0.s[0]")
      SQZ_LOAD_EVEN SQZ_ODD_PRODUCTS("v0.s[1]")
      SQZ_LOAD_ODD SQZ_ADDRESSES SQZ_NEXT_OFFSETS SQZ_EVEN_PRODUCTS("v0.s[2]")
      SQZ_LOAD_EVEN SQZ_ODD_PRODUCTS("v0.s[3]")
      "mov v0.16b, v1.16b\n"
      "subs %[fours], %[fours], #1\n"
      "b.ne 1b\n"
      "2:\n"
      : SQZ_OPERANDS_OF_EIGHT(acc), [offsets] "+&r"(offsets), [values] "+&r"(values),
        [fours] "+&r"(fours), [even] "=&r"(even), [odd] "=&r"(odd), [next_even] "=&r"(next_even),
        [next_odd] "=&r"(next_odd)
      : [w] "r"(w), [next] "r"(next_block * static_cast<ptrdiff_t>(sizeof(float)))
      : SQZ_CLOBBERED, "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11");
}
#undef SQZ_ODD_PRODUCTS
#undef SQZ_EVEN_PRODUCTS
#undef SQZ_LOAD_ODD
#undef SQZ_LOAD_EVEN
#undef SQZ_ADDRESSES
#undef SQZ_NEXT_OFFSETS

#undef SQZ_CLOBBERED
#undef SQZ_OPERANDS_OF_EIGHT
#undef SQZ_OPERANDS_OF_FOUR
#undef SQZ_PRODUCTS

// clang-format on

#else

// acc[v] += x * w[v]
SQZ_INLINE void add_row(Vec x, const float* w, Vec* acc) {
  for (int v = 0; v < kConvNv; ++v) acc[v] = fma(load(w + v * kLanes), x, acc[v]);
}

SQZ_INLINE void walk_one_block(const uint16_t* list, ptrdiff_t count, const float* x,
                               const float* w, Vec* acc) {
  for (ptrdiff_t i = 0; i < count; ++i) add_row(broadcast(x[list[i]]), w + list[i] * kConvNr, acc);
}

SQZ_INLINE void walk_two_blocks(const uint16_t* list, ptrdiff_t count, const float* x,
                                const float* w, ptrdiff_t next_block, Vec* acc) {
  walk_one_block(list, count, x, w, acc);
  walk_one_block(list, count, x, w + next_block, acc + kConvNv);
}

SQZ_INLINE void walk_entries(const int32_t* offsets, const float* values, ptrdiff_t fours,
                             const float* w, ptrdiff_t next_block, Vec* acc) {
  for (ptrdiff_t i = 0; i < 4 * fours; ++i) {
    const float* row = w + offsets[i] / sizeof(float);
    add_row(broadcast(values[i]), row, acc);
    add_row(broadcast(values[i]), row + next_block, acc + kConvNv);
  }
}

#endif

}  // namespace SQZ_ISA
}  // namespace sqz
