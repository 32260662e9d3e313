// SIMDe emulates AVX-512 with AVX2. It is slow, but the AVX-512 kernels can be tested on CPUs
// without AVX-512. SIMDe's masked loads and stores also access the memory of the masked-out lanes,
// which may belong to another thread or be unmapped. So this file defines its own.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

namespace sqz {
namespace SQZ_ISA {

SQZ_INLINE __m512 masked_load(__mmask16 lanes, const float* p) {
  float values[16] = {};
  for (int i = 0; i < 16; ++i)
    if (lanes >> i & 1) values[i] = p[i];
  return _mm512_loadu_ps(values);
}
SQZ_INLINE void masked_store(float* p, __mmask16 lanes, __m512 v) {
  float values[16];
  _mm512_storeu_ps(values, v);
  for (int i = 0; i < 16; ++i)
    if (lanes >> i & 1) p[i] = values[i];
}

}  // namespace SQZ_ISA
}  // namespace sqz

#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#define _mm512_maskz_loadu_ps masked_load
#define _mm512_mask_storeu_ps masked_store
