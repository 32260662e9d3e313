// 1x1 products that skip zeros, for AArch64: tiles/sparse.h with lists of single pixels.
//
// With 32 registers, and instructions that load four of them and that multiply by one lane, a
// pixel alone keeps the multipliers fed: its list holds none but its own channels, where tiles of
// pixels have to walk the union of theirs.
#pragma once

#include "kernels/tuning/tuning.h"

namespace sqz {
namespace SQZ_ISA {

// Row m lists the positions of the set bits of m, lowest first.
struct SetBitsOfByte {
  uint8_t row[256][8];
  uint8_t count[256];
};
constexpr SetBitsOfByte set_bits_of_byte() {
  SetBitsOfByte table = {};
  for (int m = 0; m < 256; ++m)
    for (uint8_t bit = 0; bit < 8; ++bit)
      if (m >> bit & 1) table.row[m][table.count[m]++] = bit;
  return table;
}
static constexpr SetBitsOfByte kSetBitsOfByte = set_bits_of_byte();

// Writes the numbers of a pixel's channels that are not zero and returns how many they are. `list`
// needs room for 8 beyond `channels`, which are at most 2^16.
SQZ_INLINE int list_pixel(const float* x, int channels, uint16_t* list) {
  static const uint16_t kBit[8] = {1, 2, 4, 8, 16, 32, 64, 128};
  const uint16x8_t bits = vld1q_u16(kBit);
  uint16x8_t base = vdupq_n_u16(0);
  uint16_t* end = list;
  int c = 0;
  for (; c + 8 <= channels; c += 8) {
    const uint32x4_t zero0 = vceqzq_f32(load(x + c)), zero1 = vceqzq_f32(load(x + c + 4));
    const uint16x8_t zeros = vuzp1q_u16(vreinterpretq_u16_u32(zero0), vreinterpretq_u16_u32(zero1));
    const uint32_t mask = vaddvq_u16(vbicq_u16(bits, zeros));
    vst1q_u16(end, vaddq_u16(base, vmovl_u8(vld1_u8(kSetBitsOfByte.row[mask]))));
    end += kSetBitsOfByte.count[mask];
    base = vaddq_u16(base, vdupq_n_u16(8));
  }
  for (; c < channels; ++c) {
    if (x[c] != 0.0f) *end++ = static_cast<uint16_t>(c);
  }
  return static_cast<int>(end - list);
}

// acc[v] += x[Lane] * w[v], for a row of weights of each block.
template <int kBlocks, int kLane>
SQZ_INLINE void add_channel(Vec x, const float* w, ptrdiff_t next_block, Vec* acc) {
  SQZ_UNROLL
  for (int b = 0; b < kBlocks; ++b, w += next_block) {
    w = as_one_address(w);
    const float32x4x4_t row = vld1q_f32_x4(w);
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v)
      acc[b * kConvNv + v] = fma_lane<kLane>(row.val[v], x, acc[b * kConvNv + v]);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
