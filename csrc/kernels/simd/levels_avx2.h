// AVX2: 8 values. Sets with wider registers use these, too.
#pragma once

#include <immintrin.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kLevels = 8, kLevelsMargin = 4;

using NotFinite = __m256;  // zeros, or NaNs

SQZ_INLINE NotFinite nothing_found() { return _mm256_setzero_ps(); }
SQZ_INLINE int32_t is_found(NotFinite found) {
  return _mm256_movemask_ps(_mm256_cmp_ps(found, found, _CMP_UNORD_Q)) != 0;
}

SQZ_INLINE __m256i levels_of(const unsigned char* values, const ByteLevels& to, NotFinite& found) {
  __m256 v = _mm256_loadu_ps(reinterpret_cast<const float*>(values));
  found = _mm256_add_ps(found, _mm256_mul_ps(v, _mm256_setzero_ps()));
  if (to.step != 1.0f) v = _mm256_div_ps(v, _mm256_set1_ps(to.step));
  v = _mm256_add_ps(v, _mm256_set1_ps(to.rest));
  // Limits beyond those of all bytes, so that integers do not overflow.
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(-0x1p24f)), _mm256_set1_ps(0x1p24f));
  return _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(to.whole));
}

SQZ_INLINE void convert_levels(const unsigned char* const* planes, const ByteLevels* to,
                               NotFinite& found, uint8_t* pixels) {
  const __m256i a = levels_of(planes[0], to[0], found), b = levels_of(planes[1], to[1], found),
                c = levels_of(planes[2], to[2], found);
  // Each 128-bit half has four values: of a, b, c and c.
  const __m256i packed = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, c));
  const __m256i limited =
      _mm256_max_epu8(_mm256_min_epu8(packed, _mm256_set1_epi8(static_cast<char>(to->highest))),
                      _mm256_set1_epi8(static_cast<char>(to->lowest)));
  const __m128i order = _mm_setr_epi8(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, -1, -1, -1, -1);
  const __m256i bytes = _mm256_shuffle_epi8(limited, _mm256_broadcastsi128_si256(order));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(pixels), _mm256_castsi256_si128(bytes));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(pixels + 12), _mm256_extracti128_si256(bytes, 1));
}

}  // namespace SQZ_ISA
}  // namespace sqz
