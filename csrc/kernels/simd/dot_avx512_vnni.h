// AVX-512 with VNNI: 32 registers of 16 sums. One instruction multiplies four bytes by four weights.
#pragma once

#if defined(SQZ_SIMDE)
#include "kernels/simd/simde_avx512.h"
#else
#include <immintrin.h>
#endif

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kSums = 16, kGroup = 4, kRegisters = 4;
inline constexpr int kTall = 8, kWide = 4;

using Weight = int8_t;
using Input = uint8_t;
using Sums = __m512i;
using Word = __m512i;
using Weights = __m512i;

SQZ_INLINE Sums load_sums(const int32_t* p) { return _mm512_loadu_si512(p); }
SQZ_INLINE void store_sums(int32_t* p, Sums v) { _mm512_storeu_si512(p, v); }
SQZ_INLINE Sums zero_sums() { return _mm512_setzero_si512(); }
SQZ_INLINE Sums add_sums(Sums a, Sums b) { return _mm512_add_epi32(a, b); }
SQZ_INLINE Sums positive(Sums a) { return _mm512_max_epi32(a, zero_sums()); }
SQZ_INLINE Word broadcast_word(uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
SQZ_INLINE Weights load_weights(const Weight* p) { return _mm512_loadu_si512(p); }
SQZ_INLINE Sums dot(Sums sums, Word x, Weights w) { return _mm512_dpbusd_epi32(sums, x, w); }

SQZ_INLINE void store_bytes(uint8_t* y, Sums sums, const float* scale) {
  __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(scale));
  v = _mm512_min_ps(_mm512_max_ps(v, _mm512_setzero_ps()), _mm512_set1_ps(255.0f));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

}  // namespace SQZ_ISA
}  // namespace sqz
