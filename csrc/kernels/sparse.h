// 1x1 products that skip zeros.
//
// After a ReLU most of what a 1x1 convolution reads is exactly zero, and neighbouring pixels have
// their zeros in the same channels. So a tile of kSparseMr adjacent pixels shares one list: the
// channels in which any of them is not zero. The product walks the list, and for each channel
// reads the weights once, broadcasts each pixel's value and multiplies. One pixel alone would
// have the shortest list, but then the processor waits for the loads of the weights.
#pragma once

#include "vec.h"

namespace sqz {
namespace SQZ_ISA {

struct SparseTile {
  const float* x[kSparseMr];
  int pixels;  // a tile past the end of the map repeats its last pixel
};

SQZ_INLINE SparseTile sparse_tile_at(const View& x, int64_t n, int64_t first) {
  const int64_t left = static_cast<int64_t>(x.h) * x.w - first;
  SparseTile t;
  t.pixels = static_cast<int>(left < kSparseMr ? left : kSparseMr);
  for (int m = 0; m < kSparseMr; ++m) {
    const int64_t p = first + (m < t.pixels ? m : t.pixels - 1);
    t.x[m] = x.data + n * x.image + p / x.w * x.row + p % x.w * x.pixel;
  }
  return t;
}

// Writes the numbers of the channels that are not zero in every pixel and returns how many they
// are. `list` needs room for a register beyond `channels`.
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

// acc[pixel][v] += sum over the list of x[pixel][channel] * w[channel][v], for one block of
// output channels; value(entry, channel, pixel) reads x. Several entries at a time keep enough
// sums in flight to hide the multiplier's latency.
template <typename Value>
SQZ_INLINE void multiply_list(const int32_t* list, int count, const Value& value, const float* w,
                              Vec (*acc)[kConvNv]) {
  constexpr int kSums = kSparseMr * kConvNv;
  constexpr int kChains = kSums >= 8 ? 1 : kSums >= 4 ? 2 : 4;
  Vec sum[kChains][kSparseMr][kConvNv];
  SQZ_UNROLL
  for (int i = 0; i < kChains; ++i) {
    SQZ_UNROLL
    for (int m = 0; m < kSparseMr; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) sum[i][m][v] = i == 0 ? acc[m][v] : zero();
    }
  }
  const auto step = [&](int entry, Vec(*to)[kConvNv]) {
    const ptrdiff_t c = list[entry];
    const float* row = as_one_address(w + c * kConvNr);
    Vec wv[kConvNv];
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) wv[v] = load(row + v * kLanes);
    SQZ_UNROLL
    for (int m = 0; m < kSparseMr; ++m) {
      const Vec xv = broadcast(value(entry, c, m));
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) to[m][v] = fma(xv, wv[v], to[m][v]);
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
    for (int v = 0; v < kConvNv; ++v) {
      acc[m][v] = sum[0][m][v];
      SQZ_UNROLL
      for (int i = 1; i < kChains; ++i) acc[m][v] = add(acc[m][v], sum[i][m][v]);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
