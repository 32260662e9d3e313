// Plain C++, for any processor.
#pragma once

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kSums = 4, kGroup = 4, kRegisters = 1;
inline constexpr int kTall = 2, kWide = 2, kListRegisters = 1;

using Weight = int8_t;
using Input = uint8_t;
struct Sums {
  int32_t lane[kSums];
};
struct Word {
  int32_t byte[kGroup];
};
struct Weights {
  int32_t weight[kSums][kGroup];
};

// Sums of Winograd's algorithm wrap around, so they are computed as unsigned ones.
SQZ_INLINE int32_t wrapped(uint32_t v) { return static_cast<int32_t>(v); }
SQZ_INLINE uint32_t bits(int32_t v) { return static_cast<uint32_t>(v); }

SQZ_INLINE Sums load_sums(const int32_t* p) {
  Sums v;
  memcpy(v.lane, p, sizeof(v.lane));
  return v;
}
SQZ_INLINE void store_sums(int32_t* p, Sums v) { memcpy(p, v.lane, sizeof(v.lane)); }
SQZ_INLINE Sums zero_sums() { return {}; }
SQZ_INLINE Sums broadcast_sum(int32_t v) {
  Sums sums;
  for (int i = 0; i < kSums; ++i) sums.lane[i] = v;
  return sums;
}
SQZ_INLINE Sums add_sums(Sums a, Sums b) {
  for (int i = 0; i < kSums; ++i) a.lane[i] = wrapped(bits(a.lane[i]) + bits(b.lane[i]));
  return a;
}
SQZ_INLINE Sums positive(Sums a) {
  for (int i = 0; i < kSums; ++i) a.lane[i] = a.lane[i] > 0 ? a.lane[i] : 0;
  return a;
}
SQZ_INLINE Word broadcast_word(uint32_t word) {
  Word x;
  for (int i = 0; i < kGroup; ++i) x.byte[i] = static_cast<int32_t>(word >> (8 * i) & 255);
  return x;
}
SQZ_INLINE Weights load_weights(const Weight* p) {
  Weights w;
  for (int i = 0; i < kSums; ++i)
    for (int k = 0; k < kGroup; ++k) w.weight[i][k] = p[i * kGroup + k];
  return w;
}
SQZ_INLINE Sums dot_word(Sums sums, Word x, Weights w) {
  for (int i = 0; i < kSums; ++i)
    for (int k = 0; k < kGroup; ++k) sums.lane[i] += x.byte[k] * w.weight[i][k];
  return sums;
}

inline constexpr int kPointRegisters = 1, kPointTiles = 4, kManyTiles = 4;
inline constexpr int kPointGroup = 1, kPointWords = 1, kDirectCost = 4;

using PointWords = int32_t;
struct Filters {
  int16_t lane[kSums];
};

SQZ_INLINE PointWords load_point_words(const int16_t* p) { return *p; }
SQZ_INLINE Filters load_filters(const int16_t* p) {
  Filters w;
  memcpy(w.lane, p, sizeof(w.lane));
  return w;
}
template <int kWord>
SQZ_INLINE Sums dot_point(Sums sums, PointWords x, Filters w) {
  for (int i = 0; i < kSums; ++i) sums.lane[i] = wrapped(bits(sums.lane[i]) + bits(x * w.lane[i]));
  return sums;
}
SQZ_INLINE Sums sub_sums(Sums a, Sums b) {
  for (int i = 0; i < kSums; ++i) a.lane[i] = wrapped(bits(a.lane[i]) - bits(b.lane[i]));
  return a;
}
template <int kBits>
SQZ_INLINE Sums shifted_sums(Sums a) {
  for (int i = 0; i < kSums; ++i) a.lane[i] = wrapped(bits(a.lane[i]) << kBits);
  return a;
}
SQZ_INLINE Sums ninth_of_sums(Sums a) {
  for (int i = 0; i < kSums; ++i) a.lane[i] = wrapped(bits(a.lane[i]) * 0x38e38e39u);
  return a;
}

template <int kCount, bool kNarrow>
SQZ_INLINE void store_bytes(uint8_t* y, const Sums* sums, const float* scale) {
  static_assert(kCount == 1, "a block has one register");
  for (int i = 0; i < kSums; ++i) {
    float v = static_cast<float>(sums->lane[i]) * scale[i];
    v = v > 0.0f ? v : 0.0f;
    v = v < 255.0f ? v : 255.0f;
    // Adding 1.5 * 2^23 rounds to the nearest integer, to the even one if two are equally near.
    v += 12582912.0f;
    uint32_t level;
    memcpy(&level, &v, sizeof(level));
    y[i] = static_cast<uint8_t>(level);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
