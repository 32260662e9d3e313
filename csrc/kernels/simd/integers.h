// Arithmetic of counts. The standard library has some of it, but as templates that all instruction
// sets would share.
#pragma once

#include "kernels/simd/compiler.h"

namespace sqz {
namespace SQZ_ISA {

template <typename T>
SQZ_INLINE constexpr T min(T a, T b) {
  return a < b ? a : b;
}

// How many parts of size b a takes, the last of which may be smaller. a >= 0, b > 0.
template <typename T>
SQZ_INLINE constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

}  // namespace SQZ_ISA
}  // namespace sqz
