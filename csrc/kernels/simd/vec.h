// The register types and operations that all kernels use. A kernel file is compiled once per
// instruction set, and SQZ_ISA is the name of the set's namespace. Everything here is private to
// that namespace. Otherwise the linker would keep a single copy of each inline function for all
// sets, and that copy could contain instructions that the CPU does not have.
//
// Each vec_<isa>.h defines
//   kLanes                     floats in a register
//   Vec                        kLanes floats: zero, broadcast, load (also of finite halves, which
//                              it widens), store, load_n and store_n (the
//                              first n < kLanes floats; load_n sets the other lanes to zero,
//                              store_n leaves their memory unchanged), prefetch,
//                              add, sub, mul, div, max,
//                              fma(a, b, c) = a * b + c, fnma(a, b, c) = c - a * b, round_even,
//                              pow2 (2^n for integral n),
//                              bit_or, list_nonzero (the indices of the nonzero lanes)
//   VecI                       kLanes int32: broadcast_i, load_i, load_u8 (widens kLanes bytes),
//                              mul_i, add_i, shift_right_i<n> (arithmetic), clamp_u8, store_u8,
//                              to_float, reduce_add_i; overflow wraps around
// vec_half.h has registers of halves, and of these operations only those that its kernels use.
// Sets with kLanes = 8 floats also use a VecI for one pixel of each of two rows, with 4 int32 channels:
//   load_two_rows              loads kPixelBytes bytes from each of two addresses
//   pixel_pair<channels, i>    from pixels of 3 or 4 bytes, selects pixels 2i and 2i + 1 of both
//                              rows, as a pair of 16-bit words for each channel
//   mul_pairs                  multiplies pairs of words and adds the two products
//   split_8                    splits 8 coefficients into words: the upper parts of taps 0-3, the
//                              lower parts of taps 0-3, then the same for taps 4-7
//   join_halves                combines the sums over the upper parts and over the lower parts
//   store_4_pixels<n>(p, q, sums, reverse, spill)
//                              shifts four sums right by n, clamps them, and stores 12 bytes
//                              r, g, b, r, ... or b, g, r, ... at p and at q; if spill, 4 more
//                              bytes with no meaning follow
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/simd/compiler.h"
#include "sqz/views.h"

#if defined(SQZ_ISA_SCALAR)
#include "kernels/simd/vec_scalar.h"
#elif defined(SQZ_ISA_AVX2)
#include "kernels/simd/vec_avx2.h"
#elif defined(SQZ_ISA_AVX512)
#include "kernels/simd/vec_avx512.h"
#elif defined(SQZ_ISA_NEON)
#include "kernels/simd/vec_neon.h"
#elif defined(SQZ_ISA_NEON_FP16)
#include "kernels/simd/vec_half.h"
#else
#error "compile this file for one instruction set: SQZ_ISA_SCALAR, SQZ_ISA_AVX2, ..."
#endif

namespace sqz {
namespace SQZ_ISA {

// A lane's value in memory.
#if defined(SQZ_ISA_NEON_FP16)
using Value = Half;
#else
using Value = float;
#endif

// Returns `p` in a register, so that compilers do not compute it again for each offset.
template <typename T>
SQZ_INLINE T* as_one_address(T* p) {
#if (defined(SQZ_ISA_NEON) || defined(SQZ_ISA_NEON_FP16)) && !defined(_MSC_VER)
  __asm__("" : "+r"(p));
#endif
  return p;
}

// Keeps `v` in a register. Otherwise GCC loads it again for each multiplication that can take an
// operand from memory, and such loops are limited by their loads.
SQZ_INLINE Vec loaded_once(Vec v) {
#if (defined(SQZ_ISA_AVX2) || (defined(SQZ_ISA_AVX512) && defined(__AVX512F__))) && \
    !defined(_MSC_VER)
  __asm__("" : "+v"(v));
#endif
  return v;
}

}  // namespace SQZ_ISA
}  // namespace sqz
