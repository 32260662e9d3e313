// One float at a time. It runs on every CPU and is the reference for the other sets.
#pragma once

#include <math.h>
#include <string.h>

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kLanes = 1;

using Vec = float;
using VecI = int32_t;

SQZ_INLINE Vec zero() { return 0.0f; }
SQZ_INLINE Vec broadcast(float x) { return x; }
SQZ_INLINE Vec load(const float* p) { return *p; }
// The exponent and mantissa are shifted into place. The product rebiases the exponent and normalizes
// denormals.
SQZ_INLINE Vec load(const Half* p) {
  const uint32_t bits = (*p & 0x8000u) << 16 | (*p & 0x7fffu) << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value * 0x1p112f;
}
SQZ_INLINE void store(float* p, Vec v) { *p = v; }
SQZ_INLINE Vec load_n(const float* p, int n) { return n > 0 ? *p : 0.0f; }
SQZ_INLINE void store_n(float* p, Vec v, int n) {
  if (n > 0) *p = v;
}
SQZ_INLINE void prefetch(const void*) {}
SQZ_INLINE Vec add(Vec a, Vec b) { return a + b; }
SQZ_INLINE Vec sub(Vec a, Vec b) { return a - b; }
SQZ_INLINE Vec mul(Vec a, Vec b) { return a * b; }
SQZ_INLINE Vec div(Vec a, Vec b) { return a / b; }
SQZ_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }
SQZ_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
SQZ_INLINE Vec fnma(Vec a, Vec b, Vec c) { return c - a * b; }
SQZ_INLINE Vec round_even(Vec a) { return nearbyintf(a); }
SQZ_INLINE Vec pow2(Vec n) { return ldexpf(1.0f, static_cast<int>(n)); }

// The result is nonzero exactly if a or b is nonzero. Zeros may have either sign.
SQZ_INLINE Vec bit_or(Vec a, Vec b) { return a != 0.0f ? a : b; }
SQZ_INLINE int list_nonzero(Vec x, int32_t base, int32_t* list) {
  *list = base;
  return x != 0.0f;
}

SQZ_INLINE VecI broadcast_i(int32_t x) { return x; }
SQZ_INLINE VecI load_i(const int32_t* p) { return *p; }
SQZ_INLINE VecI load_u8(const uint8_t* p) { return *p; }
SQZ_INLINE VecI mul_i(VecI a, VecI b) { return a * b; }
SQZ_INLINE VecI add_i(VecI a, VecI b) { return a + b; }
template <int N>
SQZ_INLINE VecI shift_right_i(VecI a) {
  return a >> N;
}
SQZ_INLINE VecI clamp_u8(VecI a) { return a < 0 ? 0 : a > 255 ? 255 : a; }
SQZ_INLINE void store_u8(uint8_t* p, VecI a) { *p = static_cast<uint8_t>(a); }
SQZ_INLINE int32_t reduce_add_i(VecI a) { return a; }
SQZ_INLINE Vec to_float(VecI a) { return static_cast<float>(a); }

}  // namespace SQZ_ISA
}  // namespace sqz
