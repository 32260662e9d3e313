// AVX-512: 16 integers, see shorts_avx2.h, or 32, which are a whole line of the cache.
#pragma once

#if defined(SQZ_SIMDE)
#include "kernels/simd/simde_avx512.h"
#endif

#include "kernels/simd/shorts_avx2.h"

#define SQZ_WIDE_SHORTS

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kWideShorts = 32;

using WideShorts = __m512i;

SQZ_INLINE WideShorts load_wide_shorts(const int8_t* p) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
SQZ_INLINE void store_shorts(int16_t* p, WideShorts v) { _mm512_storeu_si512(p, v); }
SQZ_INLINE WideShorts add(WideShorts a, WideShorts b) { return _mm512_add_epi16(a, b); }
SQZ_INLINE WideShorts sub(WideShorts a, WideShorts b) { return _mm512_sub_epi16(a, b); }
SQZ_INLINE WideShorts twice(WideShorts a) { return _mm512_add_epi16(a, a); }
SQZ_INLINE WideShorts four_times(WideShorts a) { return _mm512_slli_epi16(a, 2); }

}  // namespace SQZ_ISA
}  // namespace sqz
