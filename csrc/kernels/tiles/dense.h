// The register tile of every dense product: kRows rows by kConvNv registers of columns.
#pragma once

#include "kernels/tuning/tuning.h"

#if defined(SQZ_ISA_NEON)
#include "kernels/tiles/dense_neon.h"
#else

namespace sqz {
namespace SQZ_ISA {

// acc[row][v] += sum over k < depth of x[row][k] * w[k][v], for kBlocks blocks of columns. The
// blocks lie `next_block` floats apart in `w` and hold kConvNr floats for each k.
template <int kRows, int kBlocks = 1>
SQZ_INLINE void multiply_tile(const float* const* x, ptrdiff_t depth, const float* w,
                              ptrdiff_t next_block, Vec (*acc)[kBlocks * kConvNv]) {
  for (ptrdiff_t k = 0; k < depth; ++k, w += kConvNr) {
    Vec wv[kBlocks * kConvNv];
    SQZ_UNROLL
    for (int v = 0; v < kBlocks * kConvNv; ++v)
      wv[v] = load(w + v / kConvNv * next_block + v % kConvNv * kLanes);
    SQZ_UNROLL
    for (int m = 0; m < kRows; ++m) {
      const Vec xv = broadcast(x[m][k]);
      SQZ_UNROLL
      for (int v = 0; v < kBlocks * kConvNv; ++v) acc[m][v] = fma(xv, wv[v], acc[m][v]);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz

#endif
