// NEON without products of bytes that it adds up: registers of 4 sums. Bytes and weights of a product
// must be both signed or both unsigned. So the convolutions subtract 128 from each byte, and the
// classifier, whose listed words must stay as they are, reads weights to which 128 is added.
#pragma once

#include <arm_neon.h>

#define SQZ_LANES

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kSums = 4, kGroup = 4, kWords = 4;
inline constexpr bool kJoins = false;
// Products take several temporary registers. ARMv7 has 16 in all.
inline constexpr int kRegisters = 2, kTall = 4, kWide = 4, kListRegisters = 4;

using Weight = int8_t;
using Input = uint8_t;
using Sums = int32x4_t;
using Weights = int8x16_t;
using Word = uint8x16_t;

SQZ_INLINE Sums load_sums(const int32_t* p) { return vld1q_s32(p); }
SQZ_INLINE void store_sums(int32_t* p, Sums v) { vst1q_s32(p, v); }
SQZ_INLINE Sums zero_sums() { return vdupq_n_s32(0); }
SQZ_INLINE Sums broadcast_sum(int32_t v) { return vdupq_n_s32(v); }
SQZ_INLINE Sums add_sums(Sums a, Sums b) { return vaddq_s32(a, b); }
SQZ_INLINE Sums positive(Sums a) { return vmaxq_s32(a, zero_sums()); }
SQZ_INLINE Weights load_weights(const Weight* p) { return vld1q_s8(p); }

SQZ_INLINE Word broadcast_word(uint32_t word) { return vreinterpretq_u8_u32(vdupq_n_u32(word)); }

SQZ_INLINE uint32_t word_at(const uint8_t* x) {
  uint32_t word;
  memcpy(&word, x, sizeof(word));
  return word;
}

// --- Products ------------------------------------------------------------------------------------

inline constexpr int kInputOffset = 128, kWeightOffset = 128;
using Words = int8x16_t;

SQZ_INLINE Words shifted(uint8x16_t x) { return vreinterpretq_s8_u8(veorq_u8(x, vdupq_n_u8(128))); }
SQZ_INLINE Words load_words(const uint8_t* x) { return shifted(vld1q_u8(x)); }
SQZ_INLINE Words load_word(const uint8_t* x) { return shifted(broadcast_word(word_at(x))); }

// Adds the pairs of each register: a0 + a1, a2 + a3, b0 + b1, b2 + b3.
SQZ_INLINE int32x4_t add_pairs(int32x4_t a, int32x4_t b) {
#if defined(__aarch64__) || defined(_M_ARM64)
  return vpaddq_s32(a, b);
#else
  return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)),
                      vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
#endif
}

template <int kWord>
SQZ_INLINE Sums dot(Sums sums, Words x, Weights w) {
  const int32x4_t words = vreinterpretq_s32_s8(x);
  const int32x2_t half = kWord < 2 ? vget_low_s32(words) : vget_high_s32(words);
  const int8x8_t word = vreinterpret_s8_s32(vdup_lane_s32(half, kWord % 2));
  const int16x8_t low = vmull_s8(word, vget_low_s8(w)), high = vmull_s8(word, vget_high_s8(w));
#if defined(__aarch64__) || defined(_M_ARM64)
  return vpadalq_s16(sums, vpaddq_s16(low, high));  // two products fit into 16 bits
#else
  return vaddq_s32(sums, add_pairs(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}
SQZ_INLINE Sums dot_listed(Sums sums, Word x, Weights w) {
  const uint8x16_t weights = vreinterpretq_u8_s8(w);
  const uint8x8_t word = vget_low_u8(x);
  const auto pairs = [](uint8x8_t a, uint8x8_t b) {
    return vreinterpretq_s32_u32(vpaddlq_u16(vmull_u8(a, b)));
  };
  return vaddq_s32(
      sums, add_pairs(pairs(word, vget_low_u8(weights)), pairs(word, vget_high_u8(weights))));
}

// --- Winograd's algorithm ------------------------------------------------------------------------

#if defined(SQZ_AARCH64)
inline constexpr int kPointRegisters = 4;
#else
inline constexpr int kPointRegisters = 2;
#endif
inline constexpr int kPointTiles = 4, kManyTiles = 4;
inline constexpr int kPointGroup = 1, kPointWords = 4, kDirectCost = 5;

using PointWords = int16x4_t;
using Filters = int16x4_t;

SQZ_INLINE PointWords load_point_words(const int16_t* p) { return vld1_s16(p); }
SQZ_INLINE Filters load_filters(const int16_t* p) { return vld1_s16(p); }
template <int kWord>
SQZ_INLINE Sums dot_point(Sums sums, PointWords x, Filters w) {
  return vmlal_lane_s16(sums, w, x, kWord);
}
SQZ_INLINE Sums sub_sums(Sums a, Sums b) { return vsubq_s32(a, b); }
template <int kBits>
SQZ_INLINE Sums shifted_sums(Sums a) {
  return vshlq_n_s32(a, kBits);
}
SQZ_INLINE Sums ninth_of_sums(Sums a) { return vmulq_s32(a, vdupq_n_s32(0x38e38e39)); }

// --- Outputs -------------------------------------------------------------------------------------

SQZ_INLINE int32x4_t to_levels(Sums sums, const float* scale) {
  const float32x4_t v = vmulq_f32(vcvtq_f32_s32(sums), vld1q_f32(scale));
#if defined(__aarch64__) || defined(_M_ARM64)
  return vcvtnq_s32_f32(v);
#else
  // Adding 1.5 * 2^23 rounds to the nearest integer, to the even one if two are equally near.
  const float32x4_t clipped = vminq_f32(vmaxq_f32(v, vdupq_n_f32(0.0f)), vdupq_n_f32(255.0f));
  return vsubq_s32(vreinterpretq_s32_f32(vaddq_f32(clipped, vdupq_n_f32(12582912.0f))),
                   vdupq_n_s32(0x4b400000));
#endif
}

// Narrowing clips to 0..255.
SQZ_INLINE uint8x8_t to_bytes(int32x4_t a, int32x4_t b) {
  return vqmovun_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)));
}

template <int kCount, bool kNarrow>
SQZ_INLINE void store_bytes(uint8_t* y, const Sums* sums, const float* scale) {
  SQZ_UNROLL
  for (int v = 0; v + 1 < kCount; v += 2)
    vst1_u8(y + v * kSums, to_bytes(to_levels(sums[v], scale + v * kSums),
                                    to_levels(sums[v + 1], scale + (v + 1) * kSums)));
  if (kCount % 2) {
    const int32x4_t last = to_levels(sums[kCount - 1], scale + (kCount - 1) * kSums);
    const uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(to_bytes(last, last)), 0);
    memcpy(y + (kCount - 1) * kSums, &bytes, sizeof(bytes));
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
