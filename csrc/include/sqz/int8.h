// The int8 kernels: their arguments, and the table of one instruction set.
//
// Activations are bytes 0..255 with zero point 0: a byte times its map's scale is the value.
// Weights are -127..127 with a scale for each output channel. Sums are exact in 32 bits. So every
// instruction set computes the same bits.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sqz/views.h"

namespace sqz {

// An input pixel of a convolution is `kh` runs of kw * channels adjacent bytes. Kernels that multiply
// bytes read them in place, `load` bytes at a time and then 4: if a run is not whole words of 4, its
// last word has the last four bytes, and weights of zero for those that the word before has too. But
// if a run has only one byte more than whole words, as in a stem of three channels, the last bytes of
// four runs make a word; these words come last. Runs that are shorter than a load are first copied to
// scratch memory, one after another, and padded with zeros to whole loads. So do kernels that multiply
// words of 16 bits with all runs. `static`, because each instruction set must have a copy of its own.
static constexpr bool joins_runs(bool always, int load, int run) { return always || run < load; }
static constexpr bool joins_ends(int kh, int run) { return kh > 1 && run % 4 == 1; }

// y = min(max(round(float(conv(x, w) + b) * scale), 0), 255), without padding. The product is one
// float32 multiplication, rounded to the nearest integer, to the even one if two are equally near.
// The lower limit is the ReLU. For a padded convolution, `x` includes a border of zeros.
struct ByteConvArgs {
  ByteView x, y;
  const void* w;  // packed, see core/pack_int8.h
  const int32_t* b;
  const float* scale;
  int kh, kw, stride;
  bool narrow;  // the rounded products of all inputs fit into 16 bits
};

// The same for 3x3 kernels with stride 1, by Winograd's algorithm with tiles of 4 x 4 outputs. Tiles
// at the right and the lower edge read `x` as if `y` had whole tiles: what is there does not matter.
// x.c is a multiple of 16. The sum of any products and the bias is less than 2^25.
struct ByteWinogradArgs {
  ByteView x, y;
  const int8_t* w;     // packed, see core/pack_int8.h
  const int32_t* b;    // times 576, modulo 2^32
  const float* scale;  // divided by 64
  bool narrow;         // as in ByteConvArgs
  int16_t* points;     // scratch memory, winograd_i8_points(args) values
};

// logits[n][o] = scale[o] * (sum over pixels of relu?(x . w[o] + b[o]) +
//                            border * relu?(border_sum[o])) / (h*w + border)
// The sums are exact; the rest is computed in float64 and then rounded to float32. `border` is the
// number of pixels that the padding of the 1x1 convolution adds around the map, and `border_sum[o]`
// the sum of each. `lists` and `words` are scratch memory for the input words that are not zero, see
// classifier_i8_words. The sum over `flush` pixels fits into 32 bits.
struct ByteClassifierArgs {
  ByteView x;
  float* logits;  // n rows of `classes`
  const void* w;
  const int32_t* b;
  const float* scale;
  int classes;
  int border;
  const int32_t* border_sum;
  int64_t flush;
  bool relu;
  int32_t* lists;
  uint32_t* words;
};

// y = min(max(round(y * fire + (z - around_zero) * around) + zero, 0), 255): adds a bypass to the
// output of a fire. z is the byte of `x`; or, if `sums` is not null, the sum of the bypass's
// convolution, c sums for each pixel from the first one on that is computed. Both products and their
// sum are rounded to float32.
struct ByteSumArgs {
  ByteView x;
  const int32_t* sums;
  ByteView y;
  const float *fire, *around;  // c each
  int zero, around_zero;
};

// 3x3 windows with stride 2, clipped at the lower and right edge.
struct BytePoolArgs {
  ByteView x, y;
};

// How normalized values become bytes: min(max(round(value / step + rest) + whole, lowest), highest),
// rounded to the nearest integer, to the even one if two are equally near.
struct ByteLevels {
  float step, rest;
  int32_t whole, lowest, highest;
};

struct Int8Kernels {
  const char* isa;
#define SQZ_VALUE(name, constant) int name;
#define SQZ_KERNEL(result, name, parameters) result(*name) parameters;
#include "sqz/int8.def"
};

}  // namespace sqz
