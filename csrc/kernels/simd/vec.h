// The register wrapper that every kernel is written over. A kernel file is compiled once per
// instruction set with SQZ_ISA naming the namespace; everything here is private to that
// namespace, because the linker keeps one copy of a shared inline function for everyone, and
// that copy may hold instructions the CPU does not have.
//
// Each vec_<isa>.h gives
//   kLanes                     floats in a register
//   Vec                        kLanes floats: zero, broadcast, load, store, load_n and store_n (the
//                              first n < kLanes floats, the rest zero or left alone), prefetch,
//                              add, sub, mul, div, max,
//                              fma(a, b, c) = a * b + c, fnma(a, b, c) = c - a * b, round_even,
//                              pow2 (2^n for integral n),
//                              bit_or, list_nonzero (the non-zero lanes' numbers)
//   VecI                       kLanes int32: broadcast_i, load_i, load_u8 (widens kLanes bytes),
//                              mul_i, add_i, shift_right_i<n> (arithmetic), clamp_u8, store_u8,
//                              to_float, reduce_add_i; sums wrap around
// Sets with kLanes = 8 see a VecI also as two rows of one pixel, 4 int32 channels each:
//                              load_two_rows (kPixelBytes at each of two places), pixel_pair
//                              <3 or 4 bytes a pixel, i> (of those, pixels 2i and 2i + 1 of both
//                              rows, as pairs of 16-bit words by channel), mul_pairs (sums of two
//                              products of words), split_8 (8 coefficients -> the words' upper
//                              parts for taps 0-3, lower parts for 0-3, then both for 4-7),
//                              join_halves (of sums over the two parts),
//                              store_4_pixels<n>(p, q, sums, reverse, spill): four sums >> n,
//                              clamped, as 12 bytes r, g, b, r, ... or b, g, r, ... at p and q,
//                              and, if spill, 4 bytes of junk
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/simd/compiler.h"

#if defined(SQZ_ISA_SCALAR)
#include "kernels/simd/vec_scalar.h"
#elif defined(SQZ_ISA_AVX2)
#include "kernels/simd/vec_avx2.h"
#elif defined(SQZ_ISA_AVX512)
#include "kernels/simd/vec_avx512.h"
#elif defined(SQZ_ISA_NEON)
#include "kernels/simd/vec_neon.h"
#else
#error "compile this file for one instruction set: SQZ_ISA_SCALAR, SQZ_ISA_AVX2, ..."
#endif

namespace sqz {
namespace SQZ_ISA {

// `p`, but computed once and not again with every offset to it.
template <typename T>
SQZ_INLINE T* as_one_address(T* p) {
#if defined(SQZ_ISA_NEON) && !defined(_MSC_VER)
  __asm__("" : "+r"(p));
#endif
  return p;
}

// `v`, kept in a register: GCC would rather load it again for every multiplication that takes an
// operand from memory, and the loads are what such a loop waits for.
SQZ_INLINE Vec loaded_once(Vec v) {
#if (defined(SQZ_ISA_AVX2) || (defined(SQZ_ISA_AVX512) && defined(__AVX512F__))) && \
    !defined(_MSC_VER)
  __asm__("" : "+v"(v));
#endif
  return v;
}

}  // namespace SQZ_ISA
}  // namespace sqz
