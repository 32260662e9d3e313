// Plain C++: one pixel. Adding 1.5 * 2^23 rounds to the nearest integer, to the even one if two are
// equally near.
#pragma once

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kLevels = 1, kLevelsMargin = 0;

using NotFinite = int32_t;

SQZ_INLINE NotFinite nothing_found() { return 0; }
SQZ_INLINE int32_t is_found(NotFinite found) { return found; }

SQZ_INLINE uint8_t level_of(const unsigned char* value, const ByteLevels& to, NotFinite& found) {
  constexpr float kShift = 12582912.0f, kLimit = 2097152.0f;
  constexpr int32_t kShiftBits = 0x4b400000;
  float v;
  int32_t bits;
  memcpy(&v, value, sizeof(v));
  memcpy(&bits, value, sizeof(bits));
  found |= (bits & 0x7fffffff) > 0x7f7fffff;
  const float level = v / to.step + to.rest;
  // Limits beyond those of all bytes, inside which adding rounds.
  const float raised = level > -kLimit ? level : -kLimit;
  const float shifted = (raised < kLimit ? raised : kLimit) + kShift;
  memcpy(&bits, &shifted, sizeof(bits));
  const int32_t wanted = bits - kShiftBits + to.whole;
  return static_cast<uint8_t>(wanted < to.lowest    ? to.lowest
                              : wanted > to.highest ? to.highest
                                                    : wanted);
}

SQZ_INLINE void convert_levels(const unsigned char* const* planes, const ByteLevels* to,
                               NotFinite& found, uint8_t* pixels) {
  for (int c = 0; c < 3; ++c) pixels[c] = level_of(planes[c], to[c], found);
}

}  // namespace SQZ_ISA
}  // namespace sqz
