// The end of a register tile of bytes or sums: stores what exists of its output channels.
#pragma once

#include "kernels/simd/dot.h"
#include "kernels/simd/integers.h"

namespace sqz {
namespace SQZ_ISA {

// Stores the bytes of kCount registers, or the first `left` of them.
template <int kCount, bool kNarrow>
SQZ_INLINE void store_left(uint8_t* y, const Sums* sums, const float* scale, int left) {
  if (left >= kCount * kSums) return store_bytes<kCount, kNarrow>(y, sums, scale);
  uint8_t bytes[kCount * kSums];
  store_bytes<kCount, kNarrow>(bytes, sums, scale);
  for (int i = 0; i < left; ++i) y[i] = bytes[i];
}

// The same for the first `pixels` of kPixels, from channel `first` on.
template <int kPixels, int kCount, bool kNarrow>
SQZ_INLINE void store_pixels(uint8_t* const* y, int first, const Sums (*sums)[kCount],
                             const float* scale, int pixels, int left) {
  static_assert(kPixels % 2 == 0, "pixels are stored in pairs");
  SQZ_UNROLL
  for (int m = 0; m < kPixels; m += 2) {
    if (m >= pixels) break;
    uint8_t *const here = y[m] + first, *const next = y[m + 1] + first;
    if (m + 1 < pixels && left >= kCount * kSums) {
      store_pair<kCount, kNarrow>(here, next, sums[m], sums[m + 1], scale);
      continue;
    }
    store_left<kCount, kNarrow>(here, sums[m], scale, left);
    if (m + 1 < pixels) store_left<kCount, kNarrow>(next, sums[m + 1], scale, left);
  }
}

// The same for the sums.
template <int kCount>
SQZ_INLINE void store_sums_left(int32_t* y, const Sums* sums, int left) {
  int32_t values[kCount * kSums];
  SQZ_UNROLL
  for (int v = 0; v < kCount; ++v) store_sums(values + v * kSums, sums[v]);
  memcpy(y, values, min(left, kCount * kSums) * sizeof(int32_t));
}

}  // namespace SQZ_ISA
}  // namespace sqz
