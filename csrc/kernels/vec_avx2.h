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
// Pixels that share a list of channels, and the share of channels on it from which the dense 1x1
// kernels are the quicker ones.
inline constexpr int kSparseMr = 3;
inline constexpr float kDenseFrom = 0.85f;

using Vec = __m256;
using VecI = __m256i;

SQZ_INLINE Vec zero() { return _mm256_setzero_ps(); }
SQZ_INLINE Vec broadcast(float x) { return _mm256_set1_ps(x); }
SQZ_INLINE Vec load(const float* p) { return _mm256_loadu_ps(p); }
SQZ_INLINE void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
SQZ_INLINE __m256i first_lanes(int n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
}
SQZ_INLINE Vec load_n(const float* p, int n) { return _mm256_maskload_ps(p, first_lanes(n)); }
SQZ_INLINE void store_n(float* p, Vec v, int n) { _mm256_maskstore_ps(p, first_lanes(n), v); }
SQZ_INLINE void prefetch(const float* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1);
}
SQZ_INLINE Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
SQZ_INLINE Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
SQZ_INLINE Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
SQZ_INLINE Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
SQZ_INLINE Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
SQZ_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
SQZ_INLINE Vec fnma(Vec a, Vec b, Vec c) { return _mm256_fnmadd_ps(a, b, c); }
SQZ_INLINE Vec round_even(Vec a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// Valid for -126 <= n <= 127.
SQZ_INLINE Vec pow2(Vec n) {
  const VecI e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
}

// Row m lists the positions of the set bits of m, one a byte, lowest first.
struct SetBits {
  uint64_t row[256];
};
constexpr SetBits set_bits() {
  SetBits table = {};
  for (int m = 0; m < 256; ++m) {
    int n = 0;
    for (int bit = 0; bit < 8; ++bit)
      if (m >> bit & 1) table.row[m] |= static_cast<uint64_t>(bit) << (8 * n++);
  }
  return table;
}
static constexpr SetBits kSetBits = set_bits();

SQZ_INLINE Vec bit_or(Vec a, Vec b) { return _mm256_or_ps(a, b); }
// base + lane for the non-zero lanes of x; returns their number, but writes a whole register.
SQZ_INLINE int list_nonzero(Vec x, int32_t base, int32_t* list) {
  const int mask = _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ));
  const __m256i lanes =
      _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(kSetBits.row[mask])));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(list),
                      _mm256_add_epi32(_mm256_set1_epi32(base), lanes));
  return __builtin_popcount(static_cast<unsigned>(mask));
}

SQZ_INLINE VecI broadcast_i(int32_t x) { return _mm256_set1_epi32(x); }
SQZ_INLINE VecI load_i(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
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
SQZ_INLINE int32_t reduce_add_i(VecI a) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

inline constexpr int kPixelBytes = 8;
template <int Channels>
SQZ_INLINE VecI load_pixels(const uint8_t* p) {
  if constexpr (Channels == 4) return load_u8(p);
  const __m128i spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepu8_epi32(_mm_shuffle_epi8(bytes, spread));
}
SQZ_INLINE VecI load_each4(const int32_t* p) {
  const __m128i pair = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(pair),
                                     _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}
// Both pixels of a added up in the lower half, those of b in the upper.
SQZ_INLINE VecI add_halves(VecI a, VecI b) {
  return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                          _mm256_permute2x128_si256(a, b, 0x31));
}
template <int N>
SQZ_INLINE void store_4_rows(uint8_t* p, const ptrdiff_t* row, VecI a, VecI b, VecI c, VecI d,
                             bool reverse) {
  const VecI ab = _mm256_srai_epi32(add_halves(a, b), N);
  const VecI cd = _mm256_srai_epi32(add_halves(c, d), N);
  const VecI words = _mm256_packs_epi32(ab, cd);  // a, c | b, d
  VecI bytes = _mm256_packus_epi16(words, words);
  if (reverse) {
    bytes = _mm256_shuffle_epi8(
        bytes, _mm256_setr_epi8(2, 1, 0, 3, 6, 5, 4, 7, -1, -1, -1, -1, -1, -1, -1, -1,  //
                                2, 1, 0, 3, 6, 5, 4, 7, -1, -1, -1, -1, -1, -1, -1, -1));
  }
  const __m128i ac = _mm256_castsi256_si128(bytes), bd = _mm256_extracti128_si256(bytes, 1);
  const int32_t out[4] = {_mm_cvtsi128_si32(ac), _mm_cvtsi128_si32(bd), _mm_extract_epi32(ac, 1),
                          _mm_extract_epi32(bd, 1)};
  for (int i = 0; i < 4; ++i) memcpy(p + row[i], &out[i], 4);
}

}  // namespace SQZ_ISA
}  // namespace sqz
