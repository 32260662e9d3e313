// AArch64: 16 values.
#pragma once

#include <arm_neon.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kLevels = 16, kLevelsMargin = 0;

using NotFinite = float32x4_t;  // zeros, or NaNs

SQZ_INLINE NotFinite nothing_found() { return vdupq_n_f32(0.0f); }
SQZ_INLINE int32_t is_found(NotFinite found) { return vminvq_u32(vceqq_f32(found, found)) == 0; }

SQZ_INLINE int32x4_t levels_of(uint8x16_t value, const ByteLevels& to, NotFinite& found) {
  float32x4_t v = vreinterpretq_f32_u8(value);
  found = vfmaq_f32(found, v, vdupq_n_f32(0.0f));
  if (to.step != 1.0f) v = vdivq_f32(v, vdupq_n_f32(to.step));
  return vqaddq_s32(vcvtnq_s32_f32(vaddq_f32(v, vdupq_n_f32(to.rest))), vdupq_n_s32(to.whole));
}

SQZ_INLINE int16x8_t narrow_levels(uint8x16_t a, uint8x16_t b, const ByteLevels& to,
                                   NotFinite& found) {
  return vqmovn_high_s32(vqmovn_s32(levels_of(a, to, found)), levels_of(b, to, found));
}

SQZ_INLINE uint8x16_t level_bytes(const unsigned char* values, const ByteLevels& to,
                                  NotFinite& found) {
  const uint8x16x4_t v = vld1q_u8_x4(values);
  const int16x8_t low = narrow_levels(v.val[0], v.val[1], to, found);
  const uint8x16_t bytes =
      vqmovun_high_s16(vqmovun_s16(low), narrow_levels(v.val[2], v.val[3], to, found));
  return vmaxq_u8(vminq_u8(bytes, vdupq_n_u8(static_cast<uint8_t>(to.highest))),
                  vdupq_n_u8(static_cast<uint8_t>(to.lowest)));
}

SQZ_INLINE void convert_levels(const unsigned char* const* planes, const ByteLevels* to,
                               NotFinite& found, uint8_t* pixels) {
  uint8x16x3_t bytes;
  for (int c = 0; c < 3; ++c) bytes.val[c] = level_bytes(planes[c], to[c], found);
  vst3q_u8(pixels, bytes);
}

}  // namespace SQZ_ISA
}  // namespace sqz
