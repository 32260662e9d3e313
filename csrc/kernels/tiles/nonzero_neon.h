// Lists the channels of a pixel that are not zero, for AArch64.
#pragma once

#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {

// Row `byte` lists the positions of the set bits of `byte`, lowest first.
struct SetBitsOfByte {
  uint16_t row[256][8];
  uint8_t count[256];
};
constexpr SetBitsOfByte set_bits_of_byte() {
  SetBitsOfByte table = {};
  for (int byte = 0; byte < 256; ++byte)
    for (uint16_t bit = 0; bit < 8; ++bit)
      if (byte >> bit & 1) table.row[byte][table.count[byte]++] = bit;
  return table;
}
static constexpr SetBitsOfByte kSetBitsOfByte = set_bits_of_byte();

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
  uint16_t* end = list;
  int channel = 0;
  for (; channel + 16 <= channels; channel += 16) {
    // Both halves' loads come first, since in-order cores wait for them.
    const uint32_t bits = nonzeros_of_sixteen(x + channel), low = bits & 255, high = bits >> 8;
    const uint16x8_t row0 = vaddq_u16(first, vld1q_u16(kSetBitsOfByte.row[low])),
                     row1 = vaddq_u16(second, vld1q_u16(kSetBitsOfByte.row[high]));
    const ptrdiff_t count0 = kSetBitsOfByte.count[low], count1 = kSetBitsOfByte.count[high];
    vst1q_u16(end, row0);
    vst1q_u16(end + count0, row1);
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
