// The float32 kernels: their arguments, and the table of one instruction set.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sqz/views.h"

namespace sqz {

// y = relu?(conv(x, w) + b), without padding. For a padded convolution, `x` includes the border.
// The inputs of one kernel row are adjacent in memory, so a convolution is a sum over `kh` runs of
// `kw * x.c` floats. Weights are packed as [block][ky][kx][ci][nr], see core/pack.h.
struct ConvArgs {
  View x, y;
  const float* w;
  const float* b;
  int kh, kw, stride;
  bool relu;
};

// Weights in memory: exactly one of the pointers is set. Halves take half the memory, and kernels
// widen them where they read them, which is exact.
struct Weights {
  const float* floats;
  const Half* halves;
};

// Unused floats between the values of two consecutive points of Winograd's algorithm in scratch
// memory. The product of channels and register tile is often a power of two. Without the padding,
// all points would be in the same few cache sets.
inline constexpr int kPointPadding = 16;

// y = relu?(conv(x, w) + b) with stride 1 and without padding, by Winograd's algorithm with tiles
// of tile x tile outputs. For a padded convolution, `x` includes the border. `taps` is the filter's
// height and width: 3 for tiles from 4 to 7, or 4 for tiles of 5 or 6. The last `small_rows` rows and
// `small_columns` columns of tiles have two outputs fewer, with 3 taps and tiles of max_tile only.
// The tiles of each of the four shapes are multiplied in blocks of conv_mr. `points` is scratch memory
// of blocks * side^2 * (conv_mr * x.c + kPointPadding) floats, where side = tile + taps - 1. Weights
// are packed as [block][ci][ky][kx][nr].
struct WinogradArgs {
  View x, y;
  Weights w;
  const float* b;
  float* points;
  int taps, tile, small_rows, small_columns;
  bool relu;
};

// logits[n][o] = (sum over pixels of relu(x . w[o] + b[o]) + border * relu(b[o])) / (h*w + border)
// `border` is the number of zero pixels that the padding of the 1x1 convolution adds around the
// map. `lists` and `values` are scratch memory for the channels that are not zero and for their
// values.
struct ClassifierArgs {
  View x;
  float* logits;  // n rows of `classes`
  Weights w;
  const float* b;
  int classes;
  int border;
  int32_t* lists;
  float* values;
};

// The sizes of a classifier's scratch memory: of `lists` and `values`, and the floats that a thread
// needs to widen weights.
struct ClassifierSizes {
  int64_t lists, values, widened;
};

// 3x3 windows with stride 2, clipped at the lower and right edge. Ceil mode affects only the
// size of y.
struct MaxPoolArgs {
  View x, y;
};

// y = a + b, element by element.
struct AddArgs {
  View a, b, y;
};

struct Float32Kernels {
  const char* isa;
#define SQZ_VALUE(name, constant) int name;
#define SQZ_KERNEL(result, name, parameters) result(*name) parameters;
#include "sqz/f32.def"
};

}  // namespace sqz
