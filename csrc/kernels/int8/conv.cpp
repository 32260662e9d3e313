// Convolution on bytes with any kernel size and stride: stem, squeeze and both expands.
//
// In channel-last layout the taps of one kernel row are adjacent in memory. So an output pixel is a
// sum over kh runs of kw*c bytes, and each input word is a part of a run. An item is kTall output
// pixels. They are computed in register tiles: fewer pixels if a block has many output channels.
//
// Where runs or their ends are joined (see sqz/int8.h), the inputs of a few items are first copied to
// scratch memory.
#include "kernels/int8/kernels.h"
#include "kernels/simd/dot.h"
#include "kernels/tiles/bytes.h"
#include "kernels/tiles/places.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

using Tile = PixelTile<uint8_t, kTall>;

// Number of items per pass over the blocks. Their inputs share the cache with one block of weights.
constexpr int kItems = kGroup == 2 ? 4 : 8;

constexpr int kWordBytes = 4;

constexpr int kLoad = kWords * kGroup;  // input channels that are loaded together

// The input words of a pixel: `rows` runs, `stride` bytes apart, of `words` words and, if a run is not
// whole words, a last one at offset `rest`; then `ends` words of the ends of runs.
struct Runs {
  int rows;
  ptrdiff_t stride;
  int words;
  int rest;  // -1 if there is none
  int ends;
};

SQZ_INLINE Runs runs_of(const ByteConvArgs& args) {
  const int run = args.kw * args.x.c;
  if (joins_runs(kJoins, kLoad, run)) return {1, 0, ceil_div(args.kh * run, kLoad) * kWords, -1, 0};
  if (joins_ends(args.kh, run))
    return {args.kh, args.x.row, run / kGroup, -1, ceil_div(args.kh, kGroup)};
  return {args.kh, args.x.row, run / kGroup, run % kGroup ? run - kGroup : -1, 0};
}

SQZ_INLINE ptrdiff_t words_of(const Runs& runs) {
  return static_cast<ptrdiff_t>(runs.rows) * (runs.words + (runs.rest >= 0)) + runs.ends;
}

// The inputs of an item: the addresses of its pixels, and the words of their ends, kTall for each of
// them.
struct Inputs {
  const uint8_t* const* pixels;
  const uint8_t* ends;
};

// sums[m][v] += word of pixel m * weights of register v
template <int kPixels, int kCount>
SQZ_INLINE void multiply_word(const uint8_t* const* x, ptrdiff_t offset, const Weight* w,
                              Sums (*sums)[kCount]) {
  Weights wv[kCount];
  SQZ_UNROLL
  for (int v = 0; v < kCount; ++v) wv[v] = load_weights(w + v * kSums * kGroup);
  SQZ_UNROLL
  for (int m = 0; m < kPixels; ++m) {
    const Words xv = load_word(x[m] + offset);
    SQZ_UNROLL
    for (int v = 0; v < kCount; ++v) sums[m][v] = dot<0>(sums[m][v], xv, wv[v]);
  }
}

// The same for word `kWord` of several that were loaded together.
template <int kWord, int kPixels, int kCount>
SQZ_INLINE void multiply_loaded(const Words* xv, const Weight* w, Sums (*sums)[kCount]) {
  Weights wv[kCount];
  SQZ_UNROLL
  for (int v = 0; v < kCount; ++v) wv[v] = load_weights(w + (kWord * kCount + v) * kSums * kGroup);
  SQZ_UNROLL
  for (int m = 0; m < kPixels; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kCount; ++v) sums[m][v] = dot<kWord>(sums[m][v], xv[m], wv[v]);
  }
}

template <int kPixels, int kCount>
SQZ_INLINE void multiply_words(const uint8_t* const* x, ptrdiff_t offset, const Weight* w,
                               Sums (*sums)[kCount]) {
  if constexpr (kWords == 1) {
    multiply_word<kPixels, kCount>(x, offset, w, sums);
  } else {
    Words xv[kPixels];
    SQZ_UNROLL
    for (int m = 0; m < kPixels; ++m) xv[m] = load_words(x[m] + offset);
    multiply_loaded<0, kPixels, kCount>(xv, w, sums);
    multiply_loaded<1, kPixels, kCount>(xv, w, sums);
    multiply_loaded<2, kPixels, kCount>(xv, w, sums);
    multiply_loaded<3, kPixels, kCount>(xv, w, sums);
  }
}

// The places of a tile's outputs: bytes, or sums if `sums` is not null, `channels` for each pixel.
struct Outputs {
  uint8_t* const* y;
  int32_t* sums;
  int channels;
  bool narrow;
};

// Computes kPixels pixels, of which `pixels` exist, by kCount registers of output channels from
// `first` on.
template <int kPixels, int kCount>
SQZ_INLINE void compute(const uint8_t* const* inputs, const uint8_t* ends, const Runs& runs,
                        const Weight* w, const int32_t* b, const float* scale, int pixels,
                        const Outputs& out, int first) {
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
    const Weight* const whole = w + runs.words / kWords * kWords * kStep;
    ptrdiff_t offset = 0;
    for (; w != whole; w += kWords * kStep, offset += kWords * kWordBytes)
      multiply_words<kPixels, kCount>(x, offset, w, sums);
    if (kWords > 1)
      for (; w != end; w += kStep, offset += kWordBytes)
        multiply_word<kPixels, kCount>(x, offset, w, sums);
    if (runs.rest >= 0) {
      multiply_word<kPixels, kCount>(x, runs.rest, w, sums);
      w += kStep;
    }
    SQZ_UNROLL
    for (int m = 0; m < kPixels; ++m) x[m] += runs.stride;
  }
  for (int i = 0; i < runs.ends; ++i, w += kStep, ends += kTall * kWordBytes) {
    SQZ_UNROLL
    for (int m = 0; m < kPixels; ++m) x[m] = ends + m * kWordBytes;
    multiply_word<kPixels, kCount>(x, 0, w, sums);
  }
  const int left = out.channels - first;
  if (out.sums) {
    SQZ_UNROLL
    for (int m = 0; m < kPixels; ++m) {
      if (m >= pixels) break;
      store_sums_left<kCount>(out.sums + m * out.channels + first, sums[m], left);
    }
  } else if (out.narrow) {
    store_pixels<kPixels, kCount, true>(out.y, first, sums, scale, pixels, left);
  } else {
    store_pixels<kPixels, kCount, false>(out.y, first, sums, scale, pixels, left);
  }
}

// Computes an item by a block of kCount registers.
template <int kCount>
SQZ_NOINLINE void compute_block(const ByteConvArgs& args, const Tile& tile, const Inputs& inputs,
                                const Runs& runs, int first, int32_t* sums) {
  constexpr int kPixels = kCount <= 2 ? kTall : kWide;
  const Weight* w = static_cast<const Weight*>(args.w) + first * words_of(runs) * kGroup;
  for (int m = 0; m < tile.pixels; m += kPixels)
    compute<kPixels, kCount>(
        inputs.pixels + m, inputs.ends + m * kWordBytes, runs, w, args.b + first,
        args.scale + first, tile.pixels - m,
        {tile.y + m, sums ? sums + m * args.y.c : nullptr, args.y.c, args.narrow}, first);
}

void compute_registers(const ByteConvArgs& args, const Tile& tile, const Inputs& inputs,
                       const Runs& runs, int first, int32_t* sums) {
  switch (min(kRegisters, ceil_div(args.y.c - first, kSums))) {
    case 1:
      return compute_block<1>(args, tile, inputs, runs, first, sums);
    case 2:
      return compute_block<min(2, kRegisters)>(args, tile, inputs, runs, first, sums);
    case 3:
      return compute_block<min(3, kRegisters)>(args, tile, inputs, runs, first, sums);
    default:
      return compute_block<kRegisters>(args, tile, inputs, runs, first, sums);
  }
}

// Values that are copied together. The copy of a run may write up to kChunk - 1 values after it.
constexpr int kChunk = 16;

SQZ_INLINE void copy_chunk(const uint8_t* x, Input* to) {
  // Local arrays, which no pointer can refer to, so that compilers use whole registers.
  uint8_t from[kChunk];
  Input values[kChunk];
  memcpy(from, x, sizeof(from));
  for (int k = 0; k < kChunk; ++k) values[k] = from[k];
  memcpy(to, values, sizeof(values));
}

// Copies `count` of the `readable` values from `x` on.
SQZ_INLINE void copy_run(const uint8_t* x, int count, ptrdiff_t readable, Input* to) {
  int i = 0;
  for (; i < count && i + kChunk <= readable; i += kChunk) copy_chunk(x + i, to + i);
  for (; i < count; ++i) to[i] = x[i];
}

// Copies the runs of a pixel, one after another, as unsigned values of the weights' size. `end` is
// the end of the whole input.
SQZ_INLINE void join_runs(const ByteConvArgs& args, const uint8_t* x, const uint8_t* end,
                          Input* to) {
  const int run = args.kw * args.x.c;
  if (run <= kChunk && end - x >= (args.kh - 1) * args.x.row + kChunk) {
    for (int ky = 0; ky < args.kh; ++ky, x += args.x.row, to += run) copy_chunk(x, to);
  } else {
    for (int ky = 0; ky < args.kh; ++ky, x += args.x.row, to += run) copy_run(x, run, end - x, to);
  }
  for (int i = args.kh * run; i % kLoad; ++i) *to++ = 0;
}

// A word of each pixel of a tile: the ends of kRows runs, from row `first` on.
template <int kRows>
SQZ_INLINE void join_rows(const ByteConvArgs& args, const Tile& tile, int first, uint8_t* to) {
  const ptrdiff_t end = first * args.x.row + args.kw * args.x.c - 1;
  for (int m = 0; m < kTall; ++m, to += kWordBytes) {
    uint32_t word = 0;
    SQZ_UNROLL
    for (int i = 0; i < kRows; ++i)
      word |= static_cast<uint32_t>(tile.x[m][end + i * args.x.row]) << 8 * i;
    memcpy(to, &word, sizeof(word));
  }
}

SQZ_INLINE void join_ends(const ByteConvArgs& args, const Tile& tile, int first, uint8_t* to) {
  switch (args.kh - first) {
    case 1:
      return join_rows<1>(args, tile, first, to);
    case 2:
      return join_rows<2>(args, tile, first, to);
    case 3:
      return join_rows<3>(args, tile, first, to);
    default:
      return join_rows<4>(args, tile, first, to);
  }
}

SQZ_INLINE const uint8_t* end_of(const ByteView& v) {
  return v.data + (v.n - 1) * v.image + (v.h - 1) * v.row + (v.w - 1) * v.pixel + v.c;
}

// Computes items; see conv_i8 and, if `sums` is not null, conv_sums_i8.
SQZ_INLINE void compute_items(const ByteConvArgs& args, int64_t begin, int64_t end, void* scratch,
                              int32_t* sums) {
  if (begin == end) return;  // maybe of an empty map
  const Runs runs = runs_of(args);
  const ptrdiff_t pixel_words = words_of(runs);
  const bool joined = joins_runs(kJoins, kLoad, args.kw * args.x.c);
  const uint8_t* const input_end = end_of(args.x);
  uint8_t* const copies = static_cast<uint8_t*>(scratch);
  PixelPlace place = place_at(args.y, begin * kTall);
  for (; begin < end; begin += kItems, sums += sums ? kItems * kTall * args.y.c : 0) {
    const int items = static_cast<int>(min<int64_t>(end - begin, kItems));
    Tile tiles[kItems];
    Inputs inputs[kItems];
    for (int i = 0; i < items; ++i) {
      Tile& tile = tiles[i];
      tile = next_tile<uint8_t, kTall>(args, place);
      uint8_t* const ends = copies + i * runs.ends * kTall * kWordBytes;
      for (int word = 0; word < runs.ends; ++word)
        join_ends(args, tile, word * kGroup, ends + word * kTall * kWordBytes);
      inputs[i] = {tile.x, ends};
      if (!joined) continue;
      for (int m = 0; m < kTall; ++m) {
        uint8_t* to = copies + (i * kTall + m) * pixel_words * kWordBytes;
        join_runs(args, tile.x[m], input_end, reinterpret_cast<Input*>(to));
        tile.x[m] = to;
      }
    }
    for (int first = 0; first < args.y.c; first += kRegisters * kSums)
      for (int i = 0; i < items; ++i)
        compute_registers(args, tiles[i], inputs[i], runs, first,
                          sums ? sums + i * kTall * args.y.c : nullptr);
  }
}

}  // namespace

int64_t conv_i8_scratch(const ByteConvArgs& args) {
  const Runs runs = runs_of(args);
  constexpr int64_t kPixels = kItems * kTall;
  if (!joins_runs(kJoins, kLoad, args.kw * args.x.c)) return kPixels * runs.ends * kWordBytes;
  return kPixels * words_of(runs) * kWordBytes + kChunk * static_cast<int64_t>(sizeof(Input));
}

int64_t conv_i8_items(const ByteConvArgs& args) { return tiles_of<kTall>(args); }

void conv_i8(const ByteConvArgs& args, int64_t begin, int64_t end, void* scratch) {
  compute_items(args, begin, end, scratch, nullptr);
}

void conv_sums_i8(const ByteConvArgs& args, int64_t begin, int64_t end, void* scratch,
                  int32_t* sums) {
  compute_items(args, begin, end, scratch, sums);
}

}  // namespace SQZ_ISA
}  // namespace sqz
