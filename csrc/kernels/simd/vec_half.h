// NEON with half-precision arithmetic: 32 registers of 8 halves. Of the operations in vec.h, this has
// those that the float16 kernels use.
#pragma once

#include <arm_neon.h>
#include <string.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kLanes = 8;

using Vec = float16x8_t;

SQZ_INLINE Vec zero() { return vdupq_n_f16(0); }
SQZ_INLINE Vec broadcast(float x) { return vdupq_n_f16(static_cast<float16_t>(x)); }
SQZ_INLINE Vec load(const Half* p) { return vreinterpretq_f16_u16(vld1q_u16(p)); }
SQZ_INLINE void store(Half* p, Vec v) { vst1q_u16(p, vreinterpretq_u16_f16(v)); }
SQZ_INLINE Vec load_n(const Half* p, int n) {
  Half lanes[kLanes] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
// Four halves, and four zeros.
SQZ_INLINE Vec load_four(const Half* p) {
  return vreinterpretq_f16_u16(vcombine_u16(vld1_u16(p), vdup_n_u16(0)));
}
SQZ_INLINE void store_n(Half* p, Vec v, int n) {
  if (n == kLanes) return store(p, v);
  Half lanes[kLanes];
  store(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}
SQZ_INLINE Vec add(Vec a, Vec b) { return vaddq_f16(a, b); }
SQZ_INLINE Vec sub(Vec a, Vec b) { return vsubq_f16(a, b); }
SQZ_INLINE Vec mul(Vec a, Vec b) { return vmulq_f16(a, b); }
SQZ_INLINE Vec max(Vec a, Vec b) { return vmaxq_f16(a, b); }
SQZ_INLINE Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f16(c, a, b); }
SQZ_INLINE Vec fnma(Vec a, Vec b, Vec c) { return vfmsq_f16(c, a, b); }

// The same with a lane of a register as a factor. GCC 12 copies the lane to a register of its own for
// the intrinsics of these instructions.
template <int kLane>
SQZ_INLINE Vec mul_lane(Vec v, Vec factors) {
  Vec product;
  __asm__("fmul %0.8h, %1.8h, %2.h[%c3]" : "=w"(product) : "w"(v), "x"(factors), "i"(kLane));
  return product;
}
template <int kLane>
SQZ_INLINE Vec fma_lane(Vec v, Vec factors, Vec sum) {
  __asm__("fmla %0.8h, %1.8h, %2.h[%c3]" : "+w"(sum) : "w"(v), "x"(factors), "i"(kLane));
  return sum;
}
template <int kLane>
SQZ_INLINE Vec fnma_lane(Vec v, Vec factors, Vec sum) {
  __asm__("fmls %0.8h, %1.8h, %2.h[%c3]" : "+w"(sum) : "w"(v), "x"(factors), "i"(kLane));
  return sum;
}

// v, but NaN if it is infinite.
SQZ_INLINE Vec marked(Vec v) { return fma(v, zero(), v); }
// max(v, 0), with the same exception.
SQZ_INLINE Vec rectified(Vec v) { return max(marked(v), zero()); }

}  // namespace SQZ_ISA
}  // namespace sqz
