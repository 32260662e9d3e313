// The register wrapper that every kernel is written over. A kernel file is compiled once per
// instruction set with SQZ_ISA naming the namespace; everything here is private to that
// namespace, because the linker keeps one copy of a shared inline function for everyone, and
// that copy may hold instructions the CPU does not have.
//
// Each vec_<isa>.h gives
//   kLanes                     floats in a register
//   kConvMr, kConvNv           pixels x registers of one convolution tile
//   Vec                        kLanes floats: zero, broadcast, load, store, add, sub, mul, div, max,
//                              fma(a, b, c) = a * b + c, round_even, pow2 (2^n for integral n),
//                              reduce_add, reduce_max
//   VecI                       kLanes int32: broadcast_i, load_u8 (widens kLanes bytes), mul_i,
//                              add_i, shift_right_i<n> (arithmetic), clamp_u8, store_u8, to_float
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sqz/kernels.h"

#if defined(_MSC_VER)
#define SQZ_INLINE static __forceinline
#else
#define SQZ_INLINE static inline __attribute__((always_inline))
#endif

#if defined(__clang__)
#define SQZ_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define SQZ_UNROLL _Pragma("GCC unroll 16")
#else
#define SQZ_UNROLL
#endif

#if defined(SQZ_ISA_SCALAR)
#include "vec_scalar.h"
#elif defined(SQZ_ISA_AVX2)
#include "vec_avx2.h"
#else
#error "compile this file for one instruction set: SQZ_ISA_SCALAR, SQZ_ISA_AVX2, ..."
#endif

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kConvNr = kConvNv * kLanes;

// The first n of kLanes floats, for channel counts that are not a multiple of the register.
SQZ_INLINE Vec load_n(const float* p, int n) {
  float t[kLanes] = {};
  for (int i = 0; i < n; ++i) t[i] = p[i];
  return load(t);
}

SQZ_INLINE void store_n(float* p, Vec v, int n) {
  float t[kLanes];
  store(t, v);
  for (int i = 0; i < n; ++i) p[i] = t[i];
}

}  // namespace SQZ_ISA
}  // namespace sqz
