// Convolution on bytes with any kernel size and stride: stem, squeeze and both expands.
//
// In channel-last layout the taps of one kernel row are adjacent in memory. So an output pixel is a
// sum over kh runs of kw*c bytes, and each input word is a part of a run. An item is kTall output
// pixels. They are computed in register tiles: fewer pixels if a block has many output channels.
//
// Where runs are joined (see sqz/int8.h), the inputs of a few items are first copied to scratch
// memory.
#include "kernels/int8/kernels.h"
#include "kernels/simd/dot.h"
#include "kernels/tiles/places.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

using Tile = PixelTile<uint8_t, kTall>;

// Number of items per pass over the blocks. Their inputs share the cache with one block of weights.
constexpr int kItems = kGroup == 2 ? 4 : 8;

constexpr int kWordBytes = 4;


// The input words of a pixel: `rows` runs, `stride` bytes apart, of `words` whole words each. If the
// bytes of a run are not whole words, a last word has the last four bytes of the run, and weights of
// zero for those that other words have.
struct Runs {
  int rows;
  ptrdiff_t stride;
  int words;
  int rest;  // offset of the last word, or -1
};

SQZ_INLINE Runs runs_of(const ByteConvArgs& a) {
  const int run = a.kw * a.x.c;
  if (joins_runs(kGroup, run)) return {1, 0, ceil_div(a.kh * run, kGroup), -1};
  return {a.kh, a.x.row, run / kWordBytes, run % kWordBytes ? run - kWordBytes : -1};
}

SQZ_INLINE ptrdiff_t words_of(const Runs& runs) {
  return static_cast<ptrdiff_t>(runs.rows) * (runs.words + (runs.rest >= 0));
}

SQZ_INLINE uint32_t word_at(const uint8_t* x) {
  uint32_t word;
  memcpy(&word, x, sizeof(word));
  return word;
}

// sums[m][v] += word of pixel m * weights of register v
template <int kPixels, int kCount>
SQZ_INLINE void multiply_word(const uint8_t* const* x, ptrdiff_t offset, const Weight* w,
                              Sums (*sums)[kCount]) {
  Weights wv[kCount];
  SQZ_UNROLL
  for (int v = 0; v < kCount; ++v) wv[v] = load_weights(w + v * kSums * kGroup);
  SQZ_UNROLL
  for (int m = 0; m < kPixels; ++m) {
    const Word xv = broadcast_word(word_at(x[m] + offset));
    SQZ_UNROLL
    for (int v = 0; v < kCount; ++v) sums[m][v] = dot(sums[m][v], xv, wv[v]);
  }
}

// Stores the first `left` bytes, at most kSums.
SQZ_INLINE void store_left(uint8_t* y, Sums sums, const float* scale, int left) {
  if (left >= kSums) return store_bytes(y, sums, scale);
  uint8_t bytes[kSums];
  store_bytes(bytes, sums, scale);
  for (int i = 0; i < left; ++i) y[i] = bytes[i];
}

// Computes kPixels pixels by kCount registers of output channels, of which `channels` exist.
template <int kPixels, int kCount>
SQZ_INLINE void compute(const uint8_t* const* inputs, const Runs& runs, const Weight* w,
                        const int32_t* b, const float* scale, int channels, int pixels,
                        uint8_t* const* y, int first) {
  Sums sums[kPixels][kCount];
  SQZ_UNROLL
  for (int m = 0; m < kPixels; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kCount; ++v) sums[m][v] = load_sums(b + v * kSums);
  }
  const uint8_t* x[kPixels];
  SQZ_UNROLL
  for (int m = 0; m < kPixels; ++m) x[m] = inputs[m];
  constexpr ptrdiff_t kStep = kCount * kSums * kGroup;
  for (int row = 0; row < runs.rows; ++row) {
    const Weight* const end = w + runs.words * kStep;
    ptrdiff_t offset = 0;
    for (; w != end; w += kStep, offset += kWordBytes)
      multiply_word<kPixels, kCount>(x, offset, w, sums);
    if (runs.rest >= 0) {
      multiply_word<kPixels, kCount>(x, runs.rest, w, sums);
      w += kStep;
    }
    SQZ_UNROLL
    for (int m = 0; m < kPixels; ++m) x[m] += runs.stride;
  }
  SQZ_UNROLL
  for (int m = 0; m < kPixels; ++m) {
    if (m >= pixels) break;
    SQZ_UNROLL
    for (int v = 0; v < kCount; ++v)
      store_left(y[m] + first + v * kSums, sums[m][v], scale + v * kSums, channels - v * kSums);
  }
}

// Computes an item by a block of kCount registers.
template <int kCount>
SQZ_NOINLINE void compute_block(const ByteConvArgs& a, const Tile& tile,
                                const uint8_t* const* inputs, const Runs& runs, int first) {
  constexpr int kPixels = kCount <= 2 ? kTall : kWide;
  const Weight* w = static_cast<const Weight*>(a.w) + first * words_of(runs) * kGroup;
  for (int m = 0; m < tile.pixels; m += kPixels)
    compute<kPixels, kCount>(inputs + m, runs, w, a.b + first, a.scale + first, a.y.c - first,
                             tile.pixels - m, tile.y + m, first);
}

void compute_registers(const ByteConvArgs& a, const Tile& tile, const uint8_t* const* inputs,
                       const Runs& runs, int first) {
  switch (min(kRegisters, ceil_div(a.y.c - first, kSums))) {
    case 1: return compute_block<1>(a, tile, inputs, runs, first);
    case 2: return compute_block<min(2, kRegisters)>(a, tile, inputs, runs, first);
    case 3: return compute_block<min(3, kRegisters)>(a, tile, inputs, runs, first);
    default: return compute_block<kRegisters>(a, tile, inputs, runs, first);
  }
}

// Copies the runs of a pixel, one after another, as unsigned values of the weights' size.
SQZ_INLINE void join_runs(const ByteConvArgs& a, const uint8_t* x, Input* to) {
  const int run = a.kw * a.x.c;
  for (int ky = 0; ky < a.kh; ++ky, x += a.x.row, to += run)
    for (int i = 0; i < run; ++i) to[i] = x[i];
  for (int i = a.kh * run; i % kGroup; ++i) *to++ = 0;
}

}  // namespace

int64_t conv_i8_scratch(const ByteConvArgs& a) {
  if (!joins_runs(kGroup, a.kw * a.x.c)) return 0;
  return static_cast<int64_t>(kItems * kTall * kWordBytes) * words_of(runs_of(a));
}

int64_t conv_i8_items(const ByteConvArgs& a) { return tiles_of<kTall>(a); }

void conv_i8(const ByteConvArgs& a, int64_t begin, int64_t end, void* scratch) {
  const Runs runs = runs_of(a);
  const ptrdiff_t pixel_words = words_of(runs);
  const bool joined = joins_runs(kGroup, a.kw * a.x.c);
  for (; begin < end; begin += kItems) {
    const int items = static_cast<int>(min<int64_t>(end - begin, kItems));
    Tile tiles[kItems];
    const uint8_t* inputs[kItems][kTall];
    for (int i = 0; i < items; ++i) {
      tiles[i] = tile_from<uint8_t, kTall>(a, (begin + i) * kTall);
      for (int m = 0; m < kTall; ++m) {
        inputs[i][m] = tiles[i].x[m];
        if (!joined) continue;
        uint8_t* to = static_cast<uint8_t*>(scratch) + (i * kTall + m) * pixel_words * kWordBytes;
        join_runs(a, tiles[i].x[m], reinterpret_cast<Input*>(to));
        inputs[i][m] = to;
      }
    }
    for (int first = 0; first < a.y.c; first += kRegisters * kSums)
      for (int i = 0; i < items; ++i) compute_registers(a, tiles[i], inputs[i], runs, first);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
