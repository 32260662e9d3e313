// Registers of 16-bit integers, whose operations are modulo 2^16. Each shorts_<isa>.h defines
//   kShorts            integers in a register
//   Shorts             the register: load_shorts (of bytes, signed or not, which are widened),
//                      store_shorts, add, sub, twice, four_times
#pragma once

#include <stdint.h>
#include <string.h>

#include "kernels/simd/compiler.h"

#if defined(SQZ_ISA_AVX512_VNNI) || defined(SQZ_ISA_AVX_VNNI) || defined(SQZ_ISA_AVX2)
#include "kernels/simd/shorts_avx2.h"
#elif defined(SQZ_ISA_NEON)
#include "kernels/simd/shorts_neon.h"
#else
#include "kernels/simd/shorts_scalar.h"
#endif
