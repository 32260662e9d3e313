// Detects sums beyond the largest half, 65504. The processor remembers an overflow in a flag, which
// costs nothing until it is read.
#pragma once

#include <stdint.h>

#include "kernels/simd/compiler.h"

namespace sqz {
namespace SQZ_ISA {

inline constexpr uint64_t kOverflow = 1 << 2;  // the bit OFC of the register FPSR

SQZ_INLINE uint64_t float_flags() {
  uint64_t flags;
  __asm__ volatile("mrs %0, fpsr" : "=r"(flags) : : "memory");
  return flags;
}

// Whether a result was too large since the last call of forget_overflow(), on this thread. What was an
// infinity before does not count.
SQZ_INLINE bool overflowed() { return float_flags() & kOverflow; }

SQZ_INLINE void forget_overflow() {
  __asm__ volatile("msr fpsr, %0" : : "r"(float_flags() & ~kOverflow) : "memory");
}

// Calls compute(false), and if that overflows, compute(true), which has to make NaNs of infinite
// results.
template <typename Compute>
SQZ_INLINE void compute_checked(const Compute& compute) {
  forget_overflow();
  compute(false);
  if (overflowed()) compute(true);
}

}  // namespace SQZ_ISA
}  // namespace sqz
