// 1x1 products that skip zeros, for AArch64. Unlike in tiles/sparse.h, each list is that of one
// pixel.
//
// AArch64 has 32 registers, loads of four registers and multiplications by one lane, so a single
// pixel keeps the multipliers busy. Its list holds only its own nonzero channels, while a tile of
// pixels has to process the union of theirs.
#pragma once

#include "kernels/tuning/tuning.h"

namespace sqz {
namespace SQZ_ISA {

// Row `byte` lists the positions of the set bits of `byte`, lowest first.
struct SetBitsOfByte {
  uint8_t row[256][8];
  uint8_t count[256];
};
constexpr SetBitsOfByte set_bits_of_byte() {
  SetBitsOfByte table = {};
  for (int byte = 0; byte < 256; ++byte)
    for (uint8_t bit = 0; bit < 8; ++bit)
      if (byte >> bit & 1) table.row[byte][table.count[byte]++] = bit;
  return table;
}
static constexpr SetBitsOfByte kSetBitsOfByte = set_bits_of_byte();

// Writes the indices of a pixel's nonzero channels to `list` and returns their number. `list` needs
// room for `channels` + 8 entries. `channels` is at most 2^16.
SQZ_INLINE int list_pixel(const float* x, int channels, uint16_t* list) {
  static const uint16_t kBit[8] = {1, 2, 4, 8, 16, 32, 64, 128};
  const uint16x8_t bits = vld1q_u16(kBit);
  uint16x8_t base = vdupq_n_u16(0);
  uint16_t* end = list;
  int channel = 0;
  for (; channel + 8 <= channels; channel += 8) {
    const uint32x4_t zero0 = vceqzq_f32(load(x + channel));
    const uint32x4_t zero1 = vceqzq_f32(load(x + channel + 4));
    const uint16x8_t zeros = vuzp1q_u16(vreinterpretq_u16_u32(zero0), vreinterpretq_u16_u32(zero1));
    const uint32_t mask = vaddvq_u16(vbicq_u16(bits, zeros));
    vst1q_u16(end, vaddq_u16(base, vmovl_u8(vld1_u8(kSetBitsOfByte.row[mask]))));
    end += kSetBitsOfByte.count[mask];
    base = vaddq_u16(base, vdupq_n_u16(8));
  }
  for (; channel < channels; ++channel) {
    if (x[channel] != 0.0f) *end++ = static_cast<uint16_t>(channel);
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
