// 1x1 products that skip zeros.
//
// After a ReLU most inputs of a 1x1 convolution are exactly zero, and neighboring pixels have zeros
// in the same channels. So a tile of kSparseMr adjacent pixels shares one list of the channels in
// which at least one of them is nonzero. For each listed channel the product loads a row of the
// weights of kSparseBlocks blocks of outputs once, broadcasts each pixel's value and multiplies. A
// single pixel would have the shortest list, but then the processor would wait for the loads of the
// weights. With fewer outputs at a time there would be more walks, and the end of each one is a
// mispredicted branch.
#pragma once

#include "kernels/tiles/places.h"
#include "kernels/tuning/tuning.h"

namespace sqz {
namespace SQZ_ISA {

struct SparseTile {
  const float* x[kSparseMr];
  int pixels;  // a tile past the end of the map repeats its last pixel
};

SQZ_INLINE SparseTile sparse_tile_at(const View& x, int64_t n, int64_t first) {
  SparseTile t;
  t.pixels = static_cast<int>(min<int64_t>(pixels_per_image(x) - first, kSparseMr));
  for (int m = 0; m < kSparseMr; ++m) t.x[m] = pixel_at(x, n, first + min(m, t.pixels - 1));
  return t;
}

// Writes the indices of the channels in which any pixel is nonzero to `list` and returns their
// number. `list` needs room for `channels` + kLanes entries.
SQZ_INLINE int list_channels(const SparseTile& t, int channels, int32_t* list) {
  int count = 0, c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    Vec any = load(t.x[0] + c);
    SQZ_UNROLL
    for (int m = 1; m < kSparseMr; ++m) any = bit_or(any, load(t.x[m] + c));
    count += list_nonzero(any, c, list + count);
  }
  for (; c < channels; ++c) {
    bool any = false;
    for (int m = 0; m < kSparseMr; ++m) any |= t.x[m][c] != 0.0f;
    list[count] = c;
    count += any;
  }
  return count;
}

// acc[pixel][v] += sum over the list of x[pixel][channel] * w[channel][v], for kBlocks adjacent
// blocks of output channels, whose weights lie `next_block` floats apart. value(entry, channel,
// pixel) reads x. If there are few sums, several entries are computed at a time, each with sums of
// its own, which hides the multiplier's latency.
template <int kBlocks, typename Value>
SQZ_INLINE void multiply_list(const int32_t* list, int count, const Value& value, const float* w,
                              ptrdiff_t next_block, Vec (*acc)[kBlocks * kConvNv]) {
  constexpr int kVectors = kBlocks * kConvNv, kSums = kSparseMr * kVectors;
  constexpr int kChains = kSums >= 6 ? 1 : kSums >= 4 ? 2 : 4;
  Vec sum[kChains][kSparseMr][kVectors];
  SQZ_UNROLL
  for (int i = 0; i < kChains; ++i) {
    SQZ_UNROLL
    for (int m = 0; m < kSparseMr; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kVectors; ++v) sum[i][m][v] = i == 0 ? acc[m][v] : zero();
    }
  }
  const auto step = [&](int entry, Vec(*to)[kVectors]) {
    const ptrdiff_t c = list[entry];
    const float* row = as_one_address(w + c * kConvNr);
    Vec xv[kSparseMr];
    SQZ_UNROLL
    for (int m = 0; m < kSparseMr; ++m) xv[m] = broadcast(value(entry, c, m));
    SQZ_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const Vec wv = loaded_once(load(row + v / kConvNv * next_block + v % kConvNv * kLanes));
      SQZ_UNROLL
      for (int m = 0; m < kSparseMr; ++m) to[m][v] = fma(xv[m], wv, to[m][v]);
    }
  };
  int e = 0;
  SQZ_UNROLL_TWICE
  for (; e + kChains <= count; e += kChains) {
    SQZ_UNROLL
    for (int i = 0; i < kChains; ++i) step(e + i, sum[i]);
  }
  for (; e < count; ++e) step(e, sum[0]);
  SQZ_UNROLL
  for (int m = 0; m < kSparseMr; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      acc[m][v] = sum[0][m][v];
      SQZ_UNROLL
      for (int i = 1; i < kChains; ++i) acc[m][v] = add(acc[m][v], sum[i][m][v]);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
