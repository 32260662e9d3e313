// Packs the input bytes of tiles of 12 pixels, see simd/dot_tile_neon.h.
#pragma once

#include "kernels/int8/kernels.h"
#include "kernels/simd/dot.h"
#include "kernels/tiles/places.h"

namespace sqz {
namespace SQZ_ISA {

using Tile = PixelTile<uint8_t, kTall>;

// The input bytes of a pixel: `rows` runs, `stride` bytes apart, one after another.
struct Runs {
  int rows;
  ptrdiff_t stride;
  int run;
};

SQZ_INLINE int steps_of(const Runs& runs) { return ceil_div(runs.rows * runs.run, kGroup); }

// The bytes of a pixel in whole chunks.
SQZ_INLINE int padded_bytes(const Runs& runs) {
  return ceil_div(runs.rows * runs.run, kChunk) * kChunk;
}

// The bytes of a packed tile, with space for the joined runs of four pixels.
SQZ_INLINE ptrdiff_t tile_bytes(const Runs& runs) {
  return static_cast<ptrdiff_t>(kTall + kFour) * padded_bytes(runs) + kChunk;
}

SQZ_INLINE bool is_wide(int pixels) { return pixels > kFour; }

// Copies the runs of a pixel, one after another, in whole chunks. The next run overwrites what a copy
// writes after its own. `end` is the end of the whole input, behind which nothing may be read.
SQZ_NOINLINE void join_runs(const Runs& runs, const uint8_t* x, const uint8_t* end, uint8_t* to) {
  vst1q_u8(to + padded_bytes(runs) - kChunk, vdupq_n_u8(0));  // what no run writes
  for (int row = 0; row < runs.rows; ++row, x += runs.stride, to += runs.run) {
    if (end - x >= runs.run + kChunk) {
      int i = 0;
      do vst1q_u8(to + i, vld1q_u8(x + i));
      while ((i += kChunk) < runs.run);
    } else {
      for (int i = 0; i < runs.run; ++i) to[i] = x[i];
    }
  }
}

// Joins runs of a convolution of few channels: three rows, of which each fits into a register.
SQZ_INLINE bool is_short(const Runs& runs) {
  return runs.rows == 3 && runs.rows * runs.run <= 2 * kChunk;
}

// The places of the joined bytes of three registers.
SQZ_INLINE uint8x16x2_t places_of(const Runs& runs) {
  uint8_t places[2 * kChunk] = {};
  for (int i = 0; i < runs.rows * runs.run; ++i)
    places[i] = static_cast<uint8_t>(i / runs.run * kChunk + i % runs.run);
  return {{vld1q_u8(places), vld1q_u8(places + kChunk)}};
}

SQZ_INLINE void join_short(const Runs& runs, const uint8_t* x, uint8x16x2_t places, uint8_t* to) {
  const uint8x16x3_t rows = {
      {vld1q_u8(x), vld1q_u8(x + runs.stride), vld1q_u8(x + 2 * runs.stride)}};
  vst1q_u8(to, vqtbl3q_u8(rows, places.val[0]));
  if (runs.rows * runs.run > kChunk) vst1q_u8(to + kChunk, vqtbl3q_u8(rows, places.val[1]));
}

// Packs a tile into tile_bytes of memory.
SQZ_INLINE void pack_tile(const Runs& runs, const Tile& tile, const uint8_t* end,
                          uint8x16x2_t places, uint8_t* to) {
  const int fours = is_wide(tile.pixels) ? kTall / kFour : 1;
  const ptrdiff_t step = fours * kFourBytes;
  for (int i = 0; i < fours; ++i) {
    const uint8_t* x[kFour];
    Runs from = runs;
    SQZ_UNROLL
    for (int m = 0; m < kFour; ++m) x[m] = tile.x[kFour * i + m];
    if (runs.run % kChunk) {
      const int joined = padded_bytes(runs);
      uint8_t* lines = to + kTall * joined;
      for (int m = 0; m < kFour; ++m) {
        if (is_short(runs) && end - x[m] >= 2 * runs.stride + kChunk)
          join_short(runs, x[m], places, lines + m * joined);
        else
          join_runs(runs, x[m], end, lines + m * joined);
        x[m] = lines + m * joined;
      }
      from = {1, 0, joined};
    }
    uint8_t* packed = to + i * kFourBytes;
    for (int row = 0; row < from.rows; ++row) {
      pack_four(x, from.run / kChunk, &packed, step);
      SQZ_UNROLL
      for (int m = 0; m < kFour; ++m) x[m] += from.stride - from.run;
    }
  }
}

SQZ_INLINE const uint8_t* end_of(const ByteView& v) {
  return v.data + (v.n - 1) * v.image + (v.h - 1) * v.row + (v.w - 1) * v.pixel + v.c;
}

}  // namespace SQZ_ISA
}  // namespace sqz
