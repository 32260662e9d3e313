// The float32 kernels: their arguments, and the table of one instruction set.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sqz/views.h"

namespace sqz {

// y = relu?(conv(x, w) + b), without padding: a padded convolution is given a view that includes
// the border. The taps of one kernel row are adjacent in memory, so a convolution is a sum over
// `kh` runs of `kw * x.c` floats. Weights are packed as [block][ky][kx][ci][nr], see core/pack.h.
struct ConvArgs {
  View x, y;
  const float* w;
  const float* b;
  int kh, kw, stride;
  bool relu;
};

// Floats between the values of one point of Winograd's algorithm and of the next, in scratch memory:
// the channels times the register tile make powers of two, which would put all points into the same
// few cache sets.
inline constexpr int kPointPadding = 16;

// y = relu?(conv(x, w) + b), stride 1, without padding (a padded one is given a view that includes
// the border), by Winograd's algorithm with tiles of tile x tile outputs. `taps` is the filter's
// height and width: 3, with tiles from 4 to 7, or 4, with tiles of 5 or 6. With side = tile + taps - 1,
// `points` is scratch for ceil(tiles / conv_mr) * side^2 * (conv_mr * x.c + kPointPadding) floats.
// Weights are packed as [block][ci][ky][kx][nr].
struct WinogradArgs {
  View x, y;
  const float* w;
  const float* b;
  float* points;
  int taps, tile;
  bool relu;
};

// logits[n][o] = (sum over pixels of relu(x . w[o] + b[o]) + border * relu(b[o])) / (h*w + border)
// `border` counts the all-zero pixels that a padded 1x1 convolution sees around the map. `lists`
// and `values` are scratch for the channels that are not zero and for their values;
// classifier_f32_lists(args) gives their sizes.
struct ClassifierArgs {
  View x;
  float* logits;  // n rows of `classes`
  const float* w;
  const float* b;
  int classes;
  int border;
  int32_t* lists;
  float* values;
};

struct ListSizes {
  int64_t lists, values;
};

// 3x3 windows, stride 2, clipped at the lower and right edge (ceil mode decides y's size).
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
