// The register types and operations of the int8 kernels; see vec.h for the rules of such files.
//
// A product takes one input word: the bytes of four adjacent channels of a pixel, or two channels as
// words of 16 bits. It is the same in all lanes. Each lane multiplies it with the weights of its own
// output channel and adds all products to its 32-bit sum.
//
// Each dot_<isa>.h defines
//   kSums                      sums in a register
//   kGroup                     channels of an input word: 4 or 2
//   kRegisters                 registers in a block of output channels: what one call computes
//   kTall, kWide               pixels in a register tile with 1 or 2 registers of a block, and with
//                              3 or 4
//   Weight, Input              int8_t and uint8_t where kGroup is 4, int16_t and uint16_t where it is 2
//   Sums, Word, Weights        the registers: load_sums, store_sums, add_sums, broadcast_sum, positive
//                              (the larger of a sum and 0), broadcast_word, load_weights
//   kListRegisters             registers in a block of the classifier, whose weights are read at
//                              random and must fit into the first cache
//   list_words                 lists those of kListedWords words that are not zero, from index `first`
//                              on; returns how many these are, and may write kListedWords entries.
//                              It is defined with SQZ_LISTS, or below
//   store_bytes<n, narrow>     n registers of sums times scale, rounded and clipped to 0..255;
//                              `narrow` is true only if these products fit into 16 bits
//   store_two<narrow>          the same of two registers of two pixels at once, with SQZ_PAIRS where
//                              that is quicker; used by store_pair
// and either dot_word, which adds the products of a word, or
//   kInputOffset, kWeightOffset  see int8.def
//   kWords, Words              4 input words that are loaded together: load_words; or one in all
//                              places: load_word
//   dot<i>                     adds the products of word i
//   dot_listed                 adds those of the classifier's Word
// and for Winograd's algorithm, whose inputs and filters have 16 bits,
//   kPointRegisters            registers in a block of output channels
//   kPointTiles                tiles that are multiplied together, if these are all, at most
//   kManyTiles                 the same if there are more
//   kDirectCost                see int8.def
//   kPointGroup, kPointWords   channels of an input word, and words that are loaded together
//   PointWords, Filters        the registers: load_point_words, load_filters
//   dot_point<i>               adds the products of word i; sums wrap around
//   sub_sums, shifted_sums<i>, ninth_of_sums  a - b, a * 2^i, and a / 9, modulo 2^32, where
//                              0x38e38e39 is the inverse of 9
// but dot_tile_neon.h, whose convolutions have a source of their own, defines
//   kSums, kRegisters, kTall, kGroup, kListRegisters, kListGroup, kJoins and both offsets,
//   kPointRegisters, kPointGroup and kDirectCost as 0
//   pack_four, multiply_to_bytes, multiply_to_sums  for int8/aarch64/conv.cpp
//   Sums, zero_sums, store_sums and add_listed      for the classifier
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simd/compiler.h"

#if defined(SQZ_ISA_AVX512_VNNI)
#include "kernels/simd/dot_avx512_vnni.h"
#elif defined(SQZ_ISA_AVX_VNNI) || defined(SQZ_ISA_AVX2)
#include "kernels/simd/dot_avx2.h"
#elif defined(SQZ_ISA_NEON_DOTPROD) || defined(SQZ_ISA_NEON_I8MM)
#include "kernels/simd/dot_tile_neon.h"
#elif defined(SQZ_ISA_NEON)
#include "kernels/simd/dot_neon.h"
#else
#include "kernels/simd/dot_scalar.h"
#endif

#if !defined(SQZ_TILE)
namespace sqz {
namespace SQZ_ISA {

inline constexpr int kListGroup = kGroup;

#if !defined(SQZ_LANES)

inline constexpr int kWords = 1, kInputOffset = 0, kWeightOffset = 0;
inline constexpr bool kJoins = kGroup == 2;

using Words = Word;

SQZ_INLINE Words load_word(const uint8_t* x) {
  uint32_t word;
  memcpy(&word, x, sizeof(word));
  return broadcast_word(word);
}
SQZ_INLINE Words load_words(const uint8_t* x) { return load_word(x); }

template <int kWord>
SQZ_INLINE Sums dot(Sums sums, Words x, Weights w) {
  return dot_word(sums, x, w);
}
SQZ_INLINE Sums dot_listed(Sums sums, Word x, Weights w) { return dot_word(sums, x, w); }

#endif

// total[v] += relu?(bias + extra + products of the listed words with their rows of `w`)
SQZ_INLINE void add_listed(const int32_t* list, int entries, const uint32_t* words, const Weight* w,
                           const int32_t* bias, int32_t extra, bool relu, Sums* total) {
  Sums sums[kListRegisters];
  SQZ_UNROLL
  for (int v = 0; v < kListRegisters; ++v) {
    sums[v] = load_sums(bias + v * kSums);
    if (kWeightOffset) sums[v] = add_sums(sums[v], broadcast_sum(extra));
  }
  for (int e = 0; e < entries; ++e) {
    const Weight* row = w + static_cast<ptrdiff_t>(list[e]) * (kListRegisters * kSums * kGroup);
    const Word x = broadcast_word(words[e]);
    SQZ_UNROLL
    for (int v = 0; v < kListRegisters; ++v)
      sums[v] = dot_listed(sums[v], x, load_weights(row + v * kSums * kGroup));
  }
  SQZ_UNROLL
  for (int v = 0; v < kListRegisters; ++v)
    total[v] = add_sums(total[v], relu ? positive(sums[v]) : sums[v]);
}

}  // namespace SQZ_ISA
}  // namespace sqz
#endif

#if !defined(SQZ_TILE)
namespace sqz {
namespace SQZ_ISA {

// store_bytes of two pixels.
template <int kCount, bool kNarrow>
SQZ_INLINE void store_pair(uint8_t* y, uint8_t* z, const Sums* a, const Sums* b,
                           const float* scale) {
#if defined(SQZ_PAIRS)
  if constexpr (kCount == 2) {
    store_two<kNarrow>(y, z, a, b, scale);
    return;
  }
#endif
  store_bytes<kCount, kNarrow>(y, a, scale);
  store_bytes<kCount, kNarrow>(z, b, scale);
}

}  // namespace SQZ_ISA
}  // namespace sqz
#endif

#if !defined(SQZ_LISTS)
namespace sqz {
namespace SQZ_ISA {

inline constexpr int kListedWords = 1;

SQZ_INLINE int list_words(const uint8_t* x, int first, int32_t* list, uint32_t* words) {
  *list = first;
  memcpy(words, x, sizeof(*words));
  return *words != 0;
}

}  // namespace SQZ_ISA
}  // namespace sqz
#endif
