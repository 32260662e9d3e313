// Weights that are floats or halves: rows of kConvNr outputs of either type, and copies as floats.
#pragma once

#include "kernels/tuning/tuning.h"
#include "sqz/f32.h"

namespace sqz {
namespace SQZ_ISA {

// Values of a type in a cache line.
template <typename W>
inline constexpr int kLineOf = 64 / static_cast<int>(sizeof(W));

// Calls use() with the address of the weights from `first` on, of their own type.
template <typename Use>
SQZ_INLINE void with_weights(const Weights& w, ptrdiff_t first, const Use& use) {
  if (w.halves)
    use(w.halves + first);
  else
    use(w.floats + first);
}

// Loads a row of kConvNr weights.
template <typename W>
SQZ_INLINE void load_row(const W* w, Vec* row) {
  SQZ_UNROLL
  for (int v = 0; v < kConvNv; ++v) row[v] = load(w + v * kLanes);
}

#if defined(SQZ_AARCH64)
// Half as many loads: one reads two registers' halves.
SQZ_INLINE void load_row(const Half* w, Vec* row) {
  SQZ_UNROLL
  for (int v = 0; v < kConvNv; v += 2) {
    const float16x8_t both = vreinterpretq_f16_u16(vld1q_u16(w + v * kLanes));
    row[v] = vcvt_f32_f16(vget_low_f16(both));
    row[v + 1] = vcvt_high_f32_f16(both);
  }
}
#endif

// `rows` rows of weights from `first` on, as floats: where they lie, or as a copy in `widened`.
SQZ_INLINE const float* rows_as_floats(const Weights& w, ptrdiff_t first, ptrdiff_t rows,
                                       float* widened) {
  if (!w.halves) return w.floats + first;
  const Half* from = w.halves + first;
  float* to = widened;
  for (ptrdiff_t i = 0; i < rows; ++i, from += kConvNr, to += kConvNr) {
    Vec row[kConvNv];
    load_row(from, row);
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) store(to + v * kLanes, row[v]);
  }
  return widened;
}

}  // namespace SQZ_ISA
}  // namespace sqz
