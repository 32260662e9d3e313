// AVX-512 (F, BW, DQ, VL): 32 registers of 16 floats. There is no VecI, because the resize uses the
// AVX2 kernels: it gains nothing from wider registers.
#pragma once

#if defined(SQZ_SIMDE)
#include "kernels/simd/simde_avx512.h"
#else
#include <immintrin.h>
#endif

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kLanes = 16;

using Vec = __m512;

SQZ_INLINE Vec zero() { return _mm512_setzero_ps(); }
SQZ_INLINE Vec broadcast(float x) { return _mm512_set1_ps(x); }
SQZ_INLINE Vec load(const float* p) { return _mm512_loadu_ps(p); }
SQZ_INLINE Vec load(const Half* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
SQZ_INLINE void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
SQZ_INLINE __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1u << n) - 1); }
SQZ_INLINE Vec load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
SQZ_INLINE void store_n(float* p, Vec v, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }
SQZ_INLINE void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }
SQZ_INLINE Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
SQZ_INLINE Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
SQZ_INLINE Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
SQZ_INLINE Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
SQZ_INLINE Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
SQZ_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
SQZ_INLINE Vec fnma(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); }
SQZ_INLINE Vec round_even(Vec a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// Valid for -126 <= n <= 127.
SQZ_INLINE Vec pow2(Vec n) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}

SQZ_INLINE Vec bit_or(Vec a, Vec b) { return _mm512_or_ps(a, b); }
// Writes base + lane for the nonzero lanes of x and returns their number. It always writes a whole
// register, because compressing directly to memory is slow on some processors.
SQZ_INLINE int list_nonzero(Vec x, int32_t base, int32_t* list) {
  const __mmask16 mask = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i channel = _mm512_add_epi32(_mm512_set1_epi32(base), lane);
  _mm512_storeu_si512(list, _mm512_maskz_compress_epi32(mask, channel));
  return _mm_popcnt_u32(static_cast<unsigned>(mask));
}

}  // namespace SQZ_ISA
}  // namespace sqz
