// Normalized values become bytes, see ByteLevels. Each levels_<isa>.h defines
//   kLevels         pixels that are converted together
//   kLevelsMargin   bytes that may be written after them
//   NotFinite       whether a value was not finite: nothing_found, is_found (1 or 0)
//   convert_levels  converts kLevels values of each of three planes to adjacent pixels
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simd/compiler.h"
#include "sqz/int8.h"

#if defined(SQZ_ISA_AVX512_VNNI) || defined(SQZ_ISA_AVX_VNNI) || defined(SQZ_ISA_AVX2)
#include "kernels/simd/levels_avx2.h"
#elif !defined(SQZ_ISA_SCALAR) && (defined(__aarch64__) || defined(_M_ARM64))
#include "kernels/simd/levels_neon.h"
#else
#include "kernels/simd/levels_scalar.h"
#endif
