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
inline constexpr int kTall = 8, kWide = 4, kListRegisters = 4;

using Weight = int8_t;
using Input = uint8_t;
using Sums = __m512i;
using Word = __m512i;
using Weights = __m512i;

SQZ_INLINE Sums load_sums(const int32_t* p) { return _mm512_loadu_si512(p); }
SQZ_INLINE void store_sums(int32_t* p, Sums v) { _mm512_storeu_si512(p, v); }
SQZ_INLINE Sums zero_sums() { return _mm512_setzero_si512(); }
SQZ_INLINE Sums broadcast_sum(int32_t v) { return _mm512_set1_epi32(v); }
SQZ_INLINE Sums add_sums(Sums a, Sums b) { return _mm512_add_epi32(a, b); }
SQZ_INLINE Sums positive(Sums a) { return _mm512_max_epi32(a, zero_sums()); }
SQZ_INLINE Word broadcast_word(uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
SQZ_INLINE Weights load_weights(const Weight* p) { return _mm512_loadu_si512(p); }
SQZ_INLINE Sums dot_word(Sums sums, Word x, Weights w) { return _mm512_dpbusd_epi32(sums, x, w); }

// Rounds. Values above 2^31 would become negative, so they are limited first.
SQZ_INLINE __m512i to_levels(Sums sums, const float* scale) {
  const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(scale));
  return _mm512_cvtps_epi32(_mm512_min_ps(v, _mm512_set1_ps(255.0f)));
}

template <int kCount>
SQZ_INLINE void store_bytes(uint8_t* y, const Sums* sums, const float* scale) {
  if (kCount == 4) {
    const __m512i a = to_levels(sums[0], scale), b = to_levels(sums[1], scale + 16),
                  c = to_levels(sums[2], scale + 32), d = to_levels(sums[3], scale + 48);
    const __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    // Packing interleaves the 128-bit parts of the registers.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(y, _mm512_permutexvar_epi32(order, bytes));
    return;
  }
  SQZ_UNROLL
  for (int v = 0; v < kCount; ++v) {
    const __m512i levels = _mm512_max_epi32(to_levels(sums[v], scale + 16 * v), zero_sums());
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + 16 * v), _mm512_cvtepi32_epi8(levels));
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
