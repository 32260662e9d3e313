// Integer arithmetic. The standard library's templates cannot be used, because all instruction sets
// would share one compiled copy of them.
#pragma once

#include "kernels/simd/compiler.h"

namespace sqz {
namespace SQZ_ISA {

template <typename T>
SQZ_INLINE constexpr T min(T a, T b) {
  return a < b ? a : b;
}

// a / b, rounded up. a >= 0, b > 0.
template <typename T>
SQZ_INLINE constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

}  // namespace SQZ_ISA
}  // namespace sqz
