// AVX2: 16 integers. Sets with wider registers use these, too: 16 divides the numbers of channels of
// all SqueezeNets.
#pragma once

#include <immintrin.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kShorts = 16;

using Shorts = __m256i;

SQZ_INLINE __m128i load_16_bytes(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
SQZ_INLINE Shorts load_shorts(const uint8_t* p) { return _mm256_cvtepu8_epi16(load_16_bytes(p)); }
SQZ_INLINE Shorts load_shorts(const int8_t* p) { return _mm256_cvtepi8_epi16(load_16_bytes(p)); }
SQZ_INLINE void store_shorts(int16_t* p, Shorts v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
}
SQZ_INLINE Shorts add(Shorts a, Shorts b) { return _mm256_add_epi16(a, b); }
SQZ_INLINE Shorts sub(Shorts a, Shorts b) { return _mm256_sub_epi16(a, b); }
SQZ_INLINE Shorts twice(Shorts a) { return _mm256_add_epi16(a, a); }
SQZ_INLINE Shorts four_times(Shorts a) { return _mm256_slli_epi16(a, 2); }

}  // namespace SQZ_ISA
}  // namespace sqz
