// AVX2 + FMA: 16 registers of 8 floats.
#pragma once

#include <immintrin.h>
#include <string.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kLanes = 8;
// 6 pixels x 2 registers: 12 accumulators, 2 weights, 1 broadcast of the 16 registers, and 8
// loads for 12 multiplications, which two load ports sustain beside two multipliers.
inline constexpr int kConvMr = 6;
inline constexpr int kConvNv = 2;

using Vec = __m256;
using VecI = __m256i;

SQZ_INLINE Vec zero() { return _mm256_setzero_ps(); }
SQZ_INLINE Vec broadcast(float x) { return _mm256_set1_ps(x); }
SQZ_INLINE Vec load(const float* p) { return _mm256_loadu_ps(p); }
SQZ_INLINE void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
SQZ_INLINE Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
SQZ_INLINE Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
SQZ_INLINE Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
SQZ_INLINE Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
SQZ_INLINE Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
SQZ_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
SQZ_INLINE Vec round_even(Vec a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// Valid for -126 <= n <= 127.
SQZ_INLINE Vec pow2(Vec n) {
  const VecI e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
}
SQZ_INLINE float reduce_add(Vec a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
SQZ_INLINE float reduce_max(Vec a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

SQZ_INLINE VecI broadcast_i(int32_t x) { return _mm256_set1_epi32(x); }
SQZ_INLINE VecI load_u8(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
SQZ_INLINE VecI mul_i(VecI a, VecI b) { return _mm256_mullo_epi32(a, b); }
SQZ_INLINE VecI add_i(VecI a, VecI b) { return _mm256_add_epi32(a, b); }
template <int N>
SQZ_INLINE VecI shift_right_i(VecI a) {
  return _mm256_srai_epi32(a, N);
}
SQZ_INLINE VecI clamp_u8(VecI a) {
  return _mm256_min_epi32(_mm256_max_epi32(a, _mm256_setzero_si256()), _mm256_set1_epi32(255));
}
SQZ_INLINE void store_u8(uint8_t* p, VecI a) {
  const __m128i lo = _mm256_castsi256_si128(a), hi = _mm256_extracti128_si256(a, 1);
  const __m128i words = _mm_packs_epi32(lo, hi);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
SQZ_INLINE Vec to_float(VecI a) { return _mm256_cvtepi32_ps(a); }

}  // namespace SQZ_ISA
}  // namespace sqz
