// AVX2: 16 registers of 8 sums. With AVX-VNNI, one instruction multiplies four bytes by four weights.
// Without, the instruction for bytes saturates, so bytes and weights are widened to 16 bits.
#pragma once

#if defined(SQZ_SIMDE)
#include <simde/x86/avx512.h>
#endif
#include <immintrin.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kSums = 8, kRegisters = 2;
// 6 pixels x 2 registers: 12 accumulators, and 2 registers of weights.
inline constexpr int kTall = 6, kWide = 6, kListRegisters = 4;

using Sums = __m256i;
using Word = __m256i;
using Weights = __m256i;

#if defined(SQZ_ISA_AVX_VNNI)
inline constexpr int kGroup = 4;
using Weight = int8_t;
using Input = uint8_t;
SQZ_INLINE Sums dot_word(Sums sums, Word x, Weights w) {
#if defined(SQZ_SIMDE)
  return simde_mm256_dpbusd_epi32(sums, x, w);
#else
  return _mm256_dpbusd_avx_epi32(sums, x, w);
#endif
}
#else
inline constexpr int kGroup = 2;
using Weight = int16_t;
using Input = uint16_t;
SQZ_INLINE Sums dot_word(Sums sums, Word x, Weights w) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(x, w));
}
#endif

SQZ_INLINE Sums load_sums(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
SQZ_INLINE void store_sums(int32_t* p, Sums v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
}
SQZ_INLINE Sums zero_sums() { return _mm256_setzero_si256(); }
SQZ_INLINE Sums broadcast_sum(int32_t v) { return _mm256_set1_epi32(v); }
SQZ_INLINE Sums add_sums(Sums a, Sums b) { return _mm256_add_epi32(a, b); }
SQZ_INLINE Sums positive(Sums a) { return _mm256_max_epi32(a, zero_sums()); }
SQZ_INLINE Word broadcast_word(uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); }
SQZ_INLINE Weights load_weights(const Weight* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

inline constexpr int kPointRegisters = 2, kPointTiles = 4, kManyTiles = 4;
inline constexpr int kPointGroup = 2, kPointWords = 1;
// Where bytes must be widened, four times the products, after copies of the inputs.
inline constexpr int kDirectCost = kGroup == 4 ? 2 : 6;

using PointWords = __m256i;
using Filters = __m256i;

SQZ_INLINE PointWords load_point_words(const int16_t* p) {
  uint32_t word;
  memcpy(&word, p, sizeof(word));
  return broadcast_word(word);
}
SQZ_INLINE Filters load_filters(const int16_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
template <int kWord>
SQZ_INLINE Sums dot_point(Sums sums, PointWords x, Filters w) {
#if defined(SQZ_ISA_AVX2)
  return _mm256_add_epi32(sums, _mm256_madd_epi16(x, w));
#elif defined(SQZ_SIMDE)
  return simde_mm256_dpwssd_epi32(sums, x, w);
#else
  return _mm256_dpwssd_avx_epi32(sums, x, w);
#endif
}
SQZ_INLINE Sums sub_sums(Sums a, Sums b) { return _mm256_sub_epi32(a, b); }
template <int kBits>
SQZ_INLINE Sums shifted_sums(Sums a) {
  return _mm256_slli_epi32(a, kBits);
}
SQZ_INLINE Sums ninth_of_sums(Sums a) {
  return _mm256_mullo_epi32(a, _mm256_set1_epi32(0x38e38e39));
}

// Rounds. Values above 2^31 would become negative, so they are limited first if there may be any.
template <bool kNarrow>
SQZ_INLINE __m256i to_levels(Sums sums, const float* scale) {
  const __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(scale));
  return _mm256_cvtps_epi32(kNarrow ? v : _mm256_min_ps(v, _mm256_set1_ps(255.0f)));
}

template <int kCount, bool kNarrow>
SQZ_INLINE void store_bytes(uint8_t* y, const Sums* sums, const float* scale) {
  static_assert(kCount <= 2, "a block has at most two registers");
  const __m256i a = to_levels<kNarrow>(sums[0], scale);
  const __m256i b = kCount == 2 ? to_levels<kNarrow>(sums[kCount - 1], scale + 8) : a;
  // The packs clip to 0..255. They interleave the 128-bit halves of the registers.
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
  const __m128i bytes =
      _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  if (kCount == 2)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y), bytes);
  else
    _mm_storel_epi64(reinterpret_cast<__m128i*>(y), bytes);
}

#define SQZ_PAIRS

template <bool kNarrow>
SQZ_INLINE void store_two(uint8_t* y, uint8_t* z, const Sums* a, const Sums* b,
                          const float* scale) {
  const __m256i first =
      _mm256_packs_epi32(to_levels<kNarrow>(a[0], scale), to_levels<kNarrow>(a[1], scale + 8));
  const __m256i second =
      _mm256_packs_epi32(to_levels<kNarrow>(b[0], scale), to_levels<kNarrow>(b[1], scale + 8));
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(first, second),
                                                    _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm256_castsi256_si128(bytes));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(z), _mm256_extracti128_si256(bytes, 1));
}

}  // namespace SQZ_ISA
}  // namespace sqz
