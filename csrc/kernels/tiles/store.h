// The begin and the end of a register tile's products: load the bias; apply the ReLU and store.
#pragma once

#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {

// acc[row][v] = bias[v]
template <int kRows, int kVectors>
SQZ_INLINE void start_tile(const Vec* bias, Vec (*acc)[kVectors]) {
  SQZ_UNROLL
  for (int m = 0; m < kRows; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kVectors; ++v) acc[m][v] = bias[v];
  }
}

// The same from memory.
template <int kRows, int kVectors>
SQZ_INLINE void start_tile_at(const float* bias, Vec (*acc)[kVectors]) {
  Vec registers[kVectors];
  SQZ_UNROLL
  for (int v = 0; v < kVectors; ++v) registers[v] = load(bias + v * kLanes);
  start_tile<kRows>(registers, acc);
}

// v[i] = relu?(v[i])
template <int kVectors>
SQZ_INLINE void rectify(bool relu, Vec* v) {
  if (!relu) return;
  SQZ_UNROLL
  for (int i = 0; i < kVectors; ++i) v[i] = max(v[i], zero());
}

// Stores the first `left` floats of v: all if `left` is larger, none if it is not positive.
SQZ_INLINE void store_left(float* y, Vec v, int left) {
  if (left >= kLanes)
    store(y, v);
  else if (left > 0)
    store_n(y, v, left);
}

// y[row][0:channels] = relu?(acc[row]), for the first `rows` rows.
template <int kRows, int kVectors>
SQZ_INLINE void store_tile(Vec (*acc)[kVectors], bool relu, int rows, int channels,
                           float* const* y) {
  SQZ_UNROLL
  for (int m = 0; m < kRows; ++m) rectify<kVectors>(relu, acc[m]);
  if (rows == kRows && channels >= kVectors * kLanes) {
    SQZ_UNROLL
    for (int m = 0; m < kRows; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kVectors; ++v) store(y[m] + v * kLanes, acc[m][v]);
    }
    return;
  }
  SQZ_UNROLL
  for (int m = 0; m < kRows; ++m) {
    if (m >= rows) break;
    SQZ_UNROLL
    for (int v = 0; v < kVectors; ++v)
      store_left(y[m] + v * kLanes, acc[m][v], channels - v * kLanes);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
