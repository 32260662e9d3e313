// The register tile of every dense product: kRows rows by kConvNv registers of columns.
#pragma once

#include "vec.h"

#if defined(SQZ_ISA_NEON)
#include "tile_neon.h"
#else

namespace sqz {
namespace SQZ_ISA {

// acc[row][v] += sum over k < depth of x[row][k] * w[k][v]; `w` holds kConvNr floats for each k.
template <int kRows>
SQZ_INLINE void multiply_tile(const float* const* x, ptrdiff_t depth, const float* w,
                              Vec (*acc)[kConvNv]) {
  for (ptrdiff_t k = 0; k < depth; ++k, w += kConvNr) {
    Vec wv[kConvNv];
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) wv[v] = load(w + v * kLanes);
    SQZ_UNROLL
    for (int m = 0; m < kRows; ++m) {
      const Vec xv = broadcast(x[m][k]);
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) acc[m][v] = fma(xv, wv[v], acc[m][v]);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz

#endif
