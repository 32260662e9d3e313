// The register wrapper that every kernel is written over. A kernel file is compiled once per
// instruction set with SQZ_ISA naming the namespace; everything here is private to that
// namespace, because the linker keeps one copy of a shared inline function for everyone, and
// that copy may hold instructions the CPU does not have.
//
// Each vec_<isa>.h gives
//   kLanes                     floats in a register
//   kConvMr, kConvNv           pixels x registers of one convolution tile
//   Vec                        kLanes floats: zero, broadcast, load, store, load_n and store_n (the
//                              first n < kLanes floats, the rest zero or left alone), prefetch,
//                              add, sub, mul, div, max,
//                              fma(a, b, c) = a * b + c, fnma(a, b, c) = c - a * b, round_even,
//                              pow2 (2^n for integral n),
//                              bit_or, list_nonzero (the non-zero lanes' numbers)
//   kSparseMr, kDenseFrom      the tile of the zero-skipping kernels, and the density from which
//                              they give way to the dense ones
//   VecI                       kLanes int32: broadcast_i, load_i, load_u8 (widens kLanes bytes),
//                              mul_i, add_i, shift_right_i<n> (arithmetic), clamp_u8, store_u8,
//                              to_float, reduce_add_i; sums wrap around
// Sets with kLanes >= 4 see a VecI also as kLanes / 4 pixels of 4 channels:
//                              load_pixels<3 or 4> (bytes of adjacent pixels; reads kPixelBytes),
//                              load_each4 (kLanes / 4 int32, each for the 4 channels of a pixel),
//                              store_4_rows<n>(p, row, a, b, c, d, reverse): for each of four
//                              VecI the sum of its pixels >> n, clamped, as r, g, b, junk or
//                              b, g, r, junk: 4 bytes at p, p + row[1], p + row[2], p + row[3]
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
#elif defined(SQZ_ISA_AVX512)
#include "vec_avx512.h"
#else
#error "compile this file for one instruction set: SQZ_ISA_SCALAR, SQZ_ISA_AVX2, ..."
#endif

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kConvNr = kConvNv * kLanes;

}  // namespace SQZ_ISA
}  // namespace sqz
