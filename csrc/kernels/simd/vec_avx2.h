// AVX2 + FMA: 16 registers of 8 floats.
#pragma once

#include <immintrin.h>
#include <string.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kLanes = 8;

using Vec = __m256;
using VecI = __m256i;

SQZ_INLINE Vec zero() { return _mm256_setzero_ps(); }
SQZ_INLINE Vec broadcast(float x) { return _mm256_set1_ps(x); }
SQZ_INLINE Vec load(const float* p) { return _mm256_loadu_ps(p); }
SQZ_INLINE Vec load(const Half* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
SQZ_INLINE void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
SQZ_INLINE __m256i first_lanes(int n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
}
SQZ_INLINE Vec load_n(const float* p, int n) { return _mm256_maskload_ps(p, first_lanes(n)); }
SQZ_INLINE void store_n(float* p, Vec v, int n) { _mm256_maskstore_ps(p, first_lanes(n), v); }
SQZ_INLINE void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }
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
  const VecI exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}

// row[mask] lists the positions of the set bits of the mask, one per byte, lowest first.
struct SetBits {
  uint64_t row[256];
};
constexpr SetBits set_bits() {
  SetBits table = {};
  for (int mask = 0; mask < 256; ++mask) {
    int count = 0;
    for (int bit = 0; bit < 8; ++bit)
      if (mask >> bit & 1) table.row[mask] |= static_cast<uint64_t>(bit) << (8 * count++);
  }
  return table;
}
static constexpr SetBits kSetBits = set_bits();

SQZ_INLINE Vec bit_or(Vec a, Vec b) { return _mm256_or_ps(a, b); }
// Writes base + lane for the nonzero lanes of x and returns their number. It always writes a whole
// register.
SQZ_INLINE int list_nonzero(Vec x, int32_t base, int32_t* list) {
  const int mask = _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ));
  const __m256i lanes =
      _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(kSetBits.row[mask])));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(list),
                      _mm256_add_epi32(_mm256_set1_epi32(base), lanes));
  return _mm_popcnt_u32(static_cast<unsigned>(mask));
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
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

inline constexpr int kPixelBytes = 16;
// Splits coefficients of 22 bits into words of 11 bits, so that the sums of two products are exact.
SQZ_INLINE void split_8(int32_t* dst, const int32_t* coeff) {
  const VecI c = load_i(coeff);
  const VecI high = _mm256_srli_epi32(c, 11), low = _mm256_and_si256(c, _mm256_set1_epi32(2047));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), _mm256_packus_epi32(high, low));
}
SQZ_INLINE VecI load_two_rows(const uint8_t* p, const uint8_t* q) {
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(q)), 1);
}
template <int Channels, int Pair>
SQZ_INLINE VecI pixel_pair(VecI rows) {
  constexpr int p = 2 * Pair * Channels, q = p + Channels;
  return _mm256_shuffle_epi8(
      rows, _mm256_broadcastsi128_si256(_mm_setr_epi8(p, -1, q, -1, p + 1, -1, q + 1, -1, p + 2, -1,
                                                      q + 2, -1, -1, -1, -1, -1)));
}
SQZ_INLINE VecI mul_pairs(VecI a, VecI b) { return _mm256_madd_epi16(a, b); }
SQZ_INLINE VecI join_halves(VecI high, VecI low) {
  return _mm256_add_epi32(_mm256_slli_epi32(high, 11), low);
}
template <int N>
SQZ_INLINE void store_4_pixels(uint8_t* p, uint8_t* q, const VecI* sums, bool reverse, bool spill) {
  const VecI pixels01 =
      _mm256_packs_epi32(_mm256_srai_epi32(sums[0], N), _mm256_srai_epi32(sums[1], N));
  const VecI pixels23 =
      _mm256_packs_epi32(_mm256_srai_epi32(sums[2], N), _mm256_srai_epi32(sums[3], N));
  const __m128i rgb = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  const __m128i bgr = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const VecI bytes = _mm256_shuffle_epi8(_mm256_packus_epi16(pixels01, pixels23),
                                         _mm256_broadcastsi128_si256(reverse ? bgr : rgb));
  const __m128i first = _mm256_castsi256_si128(bytes), second = _mm256_extracti128_si256(bytes, 1);
  if (spill) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), first);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q), second);
  } else {
    const int32_t last[2] = {_mm_extract_epi32(first, 2), _mm_extract_epi32(second, 2)};
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), first);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(q), second);
    memcpy(p + 8, &last[0], 4);
    memcpy(q + 8, &last[1], 4);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
