// NEON: 8 integers.
#pragma once

#include <arm_neon.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kShorts = 8;

using Shorts = int16x8_t;

SQZ_INLINE Shorts load_shorts(const uint8_t* p) {
  return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p)));
}
SQZ_INLINE Shorts load_shorts(const int8_t* p) { return vmovl_s8(vld1_s8(p)); }
SQZ_INLINE void store_shorts(int16_t* p, Shorts v) { vst1q_s16(p, v); }
SQZ_INLINE Shorts add(Shorts a, Shorts b) { return vaddq_s16(a, b); }
SQZ_INLINE Shorts sub(Shorts a, Shorts b) { return vsubq_s16(a, b); }
SQZ_INLINE Shorts twice(Shorts a) { return vaddq_s16(a, a); }
SQZ_INLINE Shorts four_times(Shorts a) { return vshlq_n_s16(a, 2); }

}  // namespace SQZ_ISA
}  // namespace sqz
