// 1x1 products that skip zeros, for AArch64. Unlike in tiles/sparse.h, each list is that of one
// pixel.
//
// AArch64 has 32 registers, loads of four registers and multiplications by one lane, so a single
// pixel keeps the multipliers busy. Its list holds only its own nonzero channels, while a tile of
// pixels has to process the union of theirs.
#pragma once

#include "kernels/tiles/nonzero_neon.h"
#include "kernels/tuning/tuning.h"

namespace sqz {
namespace SQZ_ISA {

// acc[v] += x[Lane] * w[v], for a row of weights of each block.
template <int kBlocks, int kLane>
SQZ_INLINE void add_channel(Vec x, const float* w, ptrdiff_t next_block, Vec* acc) {
  SQZ_UNROLL
  for (int b = 0; b < kBlocks; ++b, w += next_block) {
    w = as_one_address(w);
    const float32x4x4_t row = vld1q_f32_x4(w);
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v)
      acc[b * kConvNv + v] = fma_lane<kLane>(row.val[v], x, acc[b * kConvNv + v]);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
