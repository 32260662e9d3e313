// Lists the channels of a pixel that are not zero, for AArch64.
#pragma once

#include "kernels/simd/vec.h"

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

// Writes the indices of a pixel's nonzero channels to `list` and returns their number. `list` needs
// room for `channels` + 8 entries. `channels` is at most 2^16.
SQZ_INLINE int list_pixel(const Value* x, int channels, uint16_t* list) {
  static const uint16_t kBit[8] = {1, 2, 4, 8, 16, 32, 64, 128};
  const uint16x8_t bits = vld1q_u16(kBit);
  uint16x8_t base = vdupq_n_u16(0);
  uint16_t* end = list;
  int channel = 0;
  for (; channel + 8 <= channels; channel += 8) {
    const uint32_t mask = vaddvq_u16(vbicq_u16(bits, zeros_of_eight(x + channel)));
    vst1q_u16(end, vaddq_u16(base, vmovl_u8(vld1_u8(kSetBitsOfByte.row[mask]))));
    end += kSetBitsOfByte.count[mask];
    base = vaddq_u16(base, vdupq_n_u16(8));
  }
  for (; channel < channels; ++channel) {
    if (!is_zero(x[channel])) *end++ = static_cast<uint16_t>(channel);
  }
  return static_cast<int>(end - list);
}

}  // namespace SQZ_ISA
}  // namespace sqz
