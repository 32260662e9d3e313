// AVX-512's instructions put together from AVX2's by SIMDe: slow, but they run, and can be tested,
// where there is no AVX-512. Its masked loads and stores touch the lanes left out, too, which may
// be another thread's or nobody's, so these are written here.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

namespace sqz {
namespace SQZ_ISA {

SQZ_INLINE __m512 masked_load(__mmask16 lanes, const float* p) {
  float x[16] = {};
  for (int i = 0; i < 16; ++i)
    if (lanes >> i & 1) x[i] = p[i];
  return _mm512_loadu_ps(x);
}
SQZ_INLINE void masked_store(float* p, __mmask16 lanes, __m512 v) {
  float x[16];
  _mm512_storeu_ps(x, v);
  for (int i = 0; i < 16; ++i)
    if (lanes >> i & 1) p[i] = x[i];
}

}  // namespace SQZ_ISA
}  // namespace sqz

#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#define _mm512_maskz_loadu_ps masked_load
#define _mm512_mask_storeu_ps masked_store
