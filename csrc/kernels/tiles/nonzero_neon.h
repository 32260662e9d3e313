// Lists the channels of a pixel that are not zero, for AArch64.
#pragma once

#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {

// Row `byte` lists the positions of the set bits of `byte`, lowest first.
struct SetBitsOfByte {
  uint8_t row[256][8];
};
constexpr SetBitsOfByte set_bits_of_byte() {
  SetBitsOfByte table = {};
  for (int byte = 0; byte < 256; ++byte)
    for (uint8_t bit = 0, count = 0; bit < 8; ++bit)
      if (byte >> bit & 1) table.row[byte][count++] = bit;
  return table;
}
static constexpr SetBitsOfByte kSetBitsOfByte = set_bits_of_byte();

struct BitCounts {
  uint8_t of[256];
};
constexpr BitCounts bit_counts() {
  BitCounts table = {};
  for (int byte = 1; byte < 256; ++byte)
    table.of[byte] = static_cast<uint8_t>(table.of[byte / 2] + byte % 2);
  return table;
}
static constexpr BitCounts kBitCounts = bit_counts();

// All bits of each of eight channels that are zero, and no bits of the others.
#if defined(SQZ_ISA_NEON_FP16)
SQZ_INLINE uint16x8_t zeros_of_eight(const Half* x) { return vceqzq_f16(load(x)); }
SQZ_INLINE bool is_zero(Half x) { return (x & 0x7fff) == 0; }
#else
SQZ_INLINE uint16x8_t zeros_of_eight(const float* x) {
  const uint32x4_t zero0 = vceqzq_f32(load(x)), zero1 = vceqzq_f32(load(x + 4));
  return vuzp1q_u16(vreinterpretq_u16_u32(zero0), vreinterpretq_u16_u32(zero1));
}
SQZ_INLINE bool is_zero(float x) { return x == 0.0f; }
#endif

// The bit of each of sixteen channels that are not zero, the first channel's lowest.
SQZ_INLINE uint32_t nonzeros_of_sixteen(const Value* x) {
  static const uint8_t kBit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t zeros = vuzp1q_u8(vreinterpretq_u8_u16(zeros_of_eight(x)),
                                     vreinterpretq_u8_u16(zeros_of_eight(x + 8)));
  uint8x16_t bits = vbicq_u8(vld1q_u8(kBit), zeros);
  for (int i = 0; i < 3; ++i) bits = vpaddq_u8(bits, bits);
  return vgetq_lane_u16(vreinterpretq_u16_u8(bits), 0);
}

// Writes the indices of a pixel's nonzero channels to `list` and returns their number. `list` needs
// room for `channels` + 8 entries. `channels` is at most 2^16.
SQZ_INLINE int list_pixel(const Value* x, int channels, uint16_t* list) {
  const uint16x8_t sixteen = vdupq_n_u16(16);
  uint16x8_t first = vdupq_n_u16(0), second = vdupq_n_u16(8);
  const uint8_t (*const rows)[8] = as_one_address(kSetBitsOfByte.row);
  const uint8_t* const counts = as_one_address(kBitCounts.of);
  uint16_t* end = list;
  int channel = 0;
  // Sixteen at a time: in-order cores wait for each result of this chain.
  for (; channel + 16 <= channels; channel += 16) {
    const uint32_t bits = nonzeros_of_sixteen(x + channel);
    const size_t low = bits & 255, high = bits >> 8;
    const uint8x8_t row0 = vld1_u8(rows[low]), row1 = vld1_u8(rows[high]);
    const ptrdiff_t count0 = counts[low], count1 = counts[high];
    vst1q_u16(end, vaddw_u8(first, row0));
    vst1q_u16(end + count0, vaddw_u8(second, row1));
    end += count0 + count1;
    first = vaddq_u16(first, sixteen), second = vaddq_u16(second, sixteen);
  }
  for (; channel < channels; ++channel) {
    if (!is_zero(x[channel])) *end++ = static_cast<uint16_t>(channel);
  }
  return static_cast<int>(end - list);
}

}  // namespace SQZ_ISA
}  // namespace sqz
