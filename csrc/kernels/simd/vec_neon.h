// NEON: 32 registers of 4 floats on AArch64, or 16 on ARMv7 with VFPv4. On ARMv7, NEON flushes
// subnormals to zero.
#pragma once

#include <arm_neon.h>
#include <string.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kLanes = 4;

using Vec = float32x4_t;
using VecI = int32x4_t;

SQZ_INLINE Vec zero() { return vdupq_n_f32(0.0f); }
SQZ_INLINE Vec broadcast(float x) { return vdupq_n_f32(x); }
SQZ_INLINE Vec load(const float* p) { return vld1q_f32(p); }
SQZ_INLINE Vec load(const Half* p) {
#if defined(SQZ_AARCH64)
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
#else  // GCC has the intrinsic only where -mfp16-format is given. VFPv4 has the instruction.
  Vec v;
  __asm__("vcvt.f32.f16 %q0, %P1" : "=w"(v) : "w"(vld1_u16(p)));
  return v;
#endif
}
SQZ_INLINE void store(float* p, Vec v) { vst1q_f32(p, v); }
SQZ_INLINE Vec load_n(const float* p, int n) {
  float lanes[kLanes] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
SQZ_INLINE void store_n(float* p, Vec v, int n) {
  if (n == kLanes) return store(p, v);
  float lanes[kLanes];
  store(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}
SQZ_INLINE void prefetch(const void* p) {
#if defined(_MSC_VER)
  __prefetch(p);
#else
  __builtin_prefetch(p, 0, 2);
#endif
}
SQZ_INLINE Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
SQZ_INLINE Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
SQZ_INLINE Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
SQZ_INLINE Vec max(Vec a, Vec b) { return vmaxq_f32(a, b); }
SQZ_INLINE Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
SQZ_INLINE Vec fnma(Vec a, Vec b, Vec c) { return vfmsq_f32(c, a, b); }
// Valid for -126 <= n <= 127.
SQZ_INLINE Vec pow2(Vec n) {
  const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
  return vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23));
}
SQZ_INLINE Vec bit_or(Vec a, Vec b) {
  return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}

#if defined(SQZ_AARCH64)
SQZ_INLINE Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
SQZ_INLINE Vec round_even(Vec a) { return vrndnq_f32(a); }
// c + w * x[Lane]. The lane is an operand of the instruction.
template <int Lane>
SQZ_INLINE Vec fma_lane(Vec w, Vec x, Vec c) {
  return vfmaq_laneq_f32(c, w, x, Lane);
}
SQZ_INLINE uint32_t sum_lanes(uint32x4_t a) { return vaddvq_u32(a); }
#else
SQZ_INLINE Vec div(Vec a, Vec b) {
  float x[kLanes], y[kLanes];
  store(x, a);
  store(y, b);
  for (int i = 0; i < kLanes; ++i) x[i] /= y[i];
  return load(x);
}
// Valid for |a| < 2^22. After adding 1.5 * 2^23, no bits are left for a fraction.
SQZ_INLINE Vec round_even(Vec a) {
  const Vec shift = vdupq_n_f32(12582912.0f);
  return vsubq_f32(vaddq_f32(a, shift), shift);
}
// On ARMv7, only the multiply-add that rounds the product can take a lane.
template <int Lane>
SQZ_INLINE Vec fma_lane(Vec w, Vec x, Vec c) {
  return vmlaq_lane_f32(c, w, Lane < 2 ? vget_low_f32(x) : vget_high_f32(x), Lane % 2);
}
SQZ_INLINE uint32_t sum_lanes(uint32x4_t a) {
  const uint32x2_t half = vpadd_u32(vget_low_u32(a), vget_high_u32(a));
  return vget_lane_u32(vpadd_u32(half, half), 0);
}
#endif

// row[mask] lists the positions of the set bits of the mask, lowest first. count[mask] is their
// number.
struct SetBits {
  int32_t row[16][kLanes];
  int32_t count[16];
};
constexpr SetBits set_bits() {
  SetBits table = {};
  for (int mask = 0; mask < 16; ++mask)
    for (int bit = 0; bit < kLanes; ++bit)
      if (mask >> bit & 1) table.row[mask][table.count[mask]++] = bit;
  return table;
}
static constexpr SetBits kSetBits = set_bits();

// Writes base + lane for the nonzero lanes of x and returns their number. It always writes a whole
// register.
SQZ_INLINE int list_nonzero(Vec x, int32_t base, int32_t* list) {
  static const uint32_t kBit[kLanes] = {1, 2, 4, 8};
  const uint32x4_t is_zero = vceqq_f32(x, zero());
  const uint32_t mask = sum_lanes(vbicq_u32(vld1q_u32(kBit), is_zero));
  vst1q_s32(list, vaddq_s32(vdupq_n_s32(base), vld1q_s32(kSetBits.row[mask])));
  return kSetBits.count[mask];
}

SQZ_INLINE VecI broadcast_i(int32_t x) { return vdupq_n_s32(x); }
SQZ_INLINE VecI load_i(const int32_t* p) { return vld1q_s32(p); }
SQZ_INLINE VecI load_u8(const uint8_t* p) {
  uint32_t bytes;
  memcpy(&bytes, p, sizeof bytes);
  const uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
}
SQZ_INLINE VecI mul_i(VecI a, VecI b) { return vmulq_s32(a, b); }
SQZ_INLINE VecI add_i(VecI a, VecI b) { return vaddq_s32(a, b); }
template <int N>
SQZ_INLINE VecI shift_right_i(VecI a) {
  return vshrq_n_s32(a, N);
}
SQZ_INLINE VecI clamp_u8(VecI a) {
  return vminq_s32(vmaxq_s32(a, vdupq_n_s32(0)), vdupq_n_s32(255));
}
SQZ_INLINE void store_u8(uint8_t* p, VecI a) {
  const uint16x4_t words = vqmovun_s32(a);
  const uint32x2_t bytes = vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words)));
  const uint32_t four = vget_lane_u32(bytes, 0);
  memcpy(p, &four, sizeof four);
}
SQZ_INLINE Vec to_float(VecI a) { return vcvtq_f32_s32(a); }
SQZ_INLINE int32_t reduce_add_i(VecI a) {
  return static_cast<int32_t>(sum_lanes(vreinterpretq_u32_s32(a)));
}

inline constexpr int kPixelBytes = 16;
#if defined(SQZ_AARCH64)
// c + pixel * k[Lane].
template <int Lane>
SQZ_INLINE VecI mla_lane(VecI pixel, VecI k, VecI c) {
  return vmlaq_laneq_s32(c, pixel, k, Lane);
}
template <int First>
SQZ_INLINE VecI pixel_at(uint8x16_t bytes) {
  static const uint8_t kPlaces[16] = {First,     255, 255, 255, First + 1, 255, 255, 255,
                                      First + 2, 255, 255, 255, 255,       255, 255, 255};
  return vreinterpretq_s32_u8(vqtbl1q_u8(bytes, vld1q_u8(kPlaces)));
}
// Loads four pixels from kPixelBytes bytes. Each register holds one pixel, as int32 (r, g, b, 0).
template <int Channels>
SQZ_INLINE void load_4_pixels(const uint8_t* p, VecI* pixels) {
  const uint8x16_t bytes = vld1q_u8(p);
  pixels[0] = pixel_at<0>(bytes);
  pixels[1] = pixel_at<Channels>(bytes);
  pixels[2] = pixel_at<2 * Channels>(bytes);
  pixels[3] = pixel_at<3 * Channels>(bytes);
}
SQZ_INLINE void store_12(uint8_t* p, uint8x16_t bytes, const uint8_t* places) {
  const uint8x16_t packed = vqtbl1q_u8(bytes, vld1q_u8(places));
  vst1_u8(p, vget_low_u8(packed));
  const uint32_t last = vgetq_lane_u32(vreinterpretq_u32_u8(packed), 2);
  memcpy(p + 8, &last, sizeof last);
}
#else
template <int Lane>
SQZ_INLINE VecI mla_lane(VecI pixel, VecI k, VecI c) {
  return vmlaq_lane_s32(c, pixel, Lane < 2 ? vget_low_s32(k) : vget_high_s32(k), Lane % 2);
}
SQZ_INLINE uint8x8_t pick_8(uint8x16_t bytes, const uint8_t* places) {
  const uint8x8x2_t halves = {{vget_low_u8(bytes), vget_high_u8(bytes)}};
  return vtbl2_u8(halves, vld1_u8(places));
}
template <int Channels>
SQZ_INLINE void load_4_pixels(const uint8_t* p, VecI* pixels) {
  static const uint8_t kPlaces[16] = {0,
                                      1,
                                      2,
                                      255,
                                      Channels,
                                      Channels + 1,
                                      Channels + 2,
                                      255,
                                      2 * Channels,
                                      2 * Channels + 1,
                                      2 * Channels + 2,
                                      255,
                                      3 * Channels,
                                      3 * Channels + 1,
                                      3 * Channels + 2,
                                      255};
  const uint8x16_t bytes = vld1q_u8(p);
  for (int i = 0; i < 2; ++i) {
    const uint16x8_t words = vmovl_u8(pick_8(bytes, kPlaces + 8 * i));
    pixels[2 * i] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
    pixels[2 * i + 1] = vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(words)));
  }
}
SQZ_INLINE void store_12(uint8_t* p, uint8x16_t bytes, const uint8_t* places) {
  vst1_u8(p, pick_8(bytes, places));
  const uint32_t last = vget_lane_u32(vreinterpret_u32_u8(pick_8(bytes, places + 8)), 0);
  memcpy(p + 8, &last, sizeof last);
}
#endif
// Shifts four sums right by N, clamps them, and stores 12 bytes r, g, b, r, ... or b, g, r, ...
template <int N>
SQZ_INLINE void store_4_pixels(uint8_t* p, const VecI* sums, bool reverse) {
  static const uint8_t kRgb[16] = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 255, 255, 255, 255};
  static const uint8_t kBgr[16] = {2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 255, 255, 255, 255};
  uint16x4_t words[4];
  SQZ_UNROLL
  for (int i = 0; i < 4; ++i) words[i] = vqmovun_s32(vshrq_n_s32(sums[i], N));
  const uint8x16_t bytes = vcombine_u8(vqmovn_u16(vcombine_u16(words[0], words[1])),
                                       vqmovn_u16(vcombine_u16(words[2], words[3])));
  store_12(p, bytes, reverse ? kBgr : kRgb);
}

}  // namespace SQZ_ISA
}  // namespace sqz
