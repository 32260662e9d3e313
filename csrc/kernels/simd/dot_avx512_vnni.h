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

#define SQZ_LISTS
inline constexpr int kListedWords = 16;

SQZ_INLINE int list_words(const uint8_t* x, int first, int32_t* list, uint32_t* words) {
  const __m512i values = _mm512_loadu_si512(x);
  const __mmask16 mask = _mm512_test_epi32_mask(values, values);
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i index = _mm512_add_epi32(_mm512_set1_epi32(first), lane);
  // Compressing directly to memory is slow on some processors.
  _mm512_storeu_si512(words, _mm512_maskz_compress_epi32(mask, values));
  _mm512_storeu_si512(list, _mm512_maskz_compress_epi32(mask, index));
  return _mm_popcnt_u32(static_cast<unsigned>(mask));
}

// All whole tiles of a map of 13 x 13 by 2 registers: 18 sums. Of more tiles, the products of five fit
// better into the L1 cache: fire2 takes 7 % less.
inline constexpr int kPointRegisters = 2, kPointTiles = 9, kManyTiles = 5;
inline constexpr int kPointGroup = 2, kPointWords = 1, kDirectCost = 2;

using PointWords = __m512i;
using Filters = __m512i;

SQZ_INLINE PointWords load_point_words(const int16_t* p) {
  uint32_t word;
  memcpy(&word, p, sizeof(word));
  return broadcast_word(word);
}
SQZ_INLINE Filters load_filters(const int16_t* p) { return _mm512_loadu_si512(p); }
template <int kWord>
SQZ_INLINE Sums dot_point(Sums sums, PointWords x, Filters w) {
  return _mm512_dpwssd_epi32(sums, x, w);
}
SQZ_INLINE Sums sub_sums(Sums a, Sums b) { return _mm512_sub_epi32(a, b); }
template <int kBits>
SQZ_INLINE Sums shifted_sums(Sums a) {
  return _mm512_slli_epi32(a, kBits);
}
SQZ_INLINE Sums ninth_of_sums(Sums a) {
  return _mm512_mullo_epi32(a, _mm512_set1_epi32(0x38e38e39));
}

// Rounds. Values above 2^31 would become negative, so they are limited first if there may be any.
template <bool kNarrow>
SQZ_INLINE __m512i to_levels(Sums sums, const float* scale) {
  const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(scale));
  return _mm512_cvtps_epi32(kNarrow ? v : _mm512_min_ps(v, _mm512_set1_ps(255.0f)));
}

// The packs clip to 0..255. They interleave the 128-bit parts of the registers.
SQZ_INLINE __m512i packed_levels(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i packed = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, packed);
}

template <int kCount, bool kNarrow>
SQZ_INLINE void store_bytes(uint8_t* y, const Sums* sums, const float* scale) {
  const __m512i a = to_levels<kNarrow>(sums[0], scale);
  const __m512i b = kCount > 1 ? to_levels<kNarrow>(sums[kCount > 1 ? 1 : 0], scale + 16) : a;
  const __m512i c = kCount > 2 ? to_levels<kNarrow>(sums[kCount > 2 ? 2 : 0], scale + 32) : a;
  const __m512i d = kCount > 3 ? to_levels<kNarrow>(sums[kCount > 3 ? 3 : 0], scale + 48) : a;
  const __m512i bytes = packed_levels(a, b, c, d);
  if (kCount == 4) {
    _mm512_storeu_si512(y, bytes);
  } else if (kCount == 1) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm512_castsi512_si128(bytes));
  } else {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_castsi512_si256(bytes));
    if (kCount == 3)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(y + 32), _mm512_extracti32x4_epi32(bytes, 2));
  }
}

#define SQZ_PAIRS

template <bool kNarrow>
SQZ_INLINE void store_two(uint8_t* y, uint8_t* z, const Sums* a, const Sums* b,
                          const float* scale) {
  const __m512i bytes =
      packed_levels(to_levels<kNarrow>(a[0], scale), to_levels<kNarrow>(a[1], scale + 16),
                    to_levels<kNarrow>(b[0], scale), to_levels<kNarrow>(b[1], scale + 16));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_castsi512_si256(bytes));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(z), _mm512_extracti64x4_epi64(bytes, 1));
}

}  // namespace SQZ_ISA
}  // namespace sqz
