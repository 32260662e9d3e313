// The float16 kernels: their arguments, and the table of one instruction set.
//
// Maps, weights and biases are half-precision numbers, and so are the sums of products; only the
// sums over a map's pixels are float32.
//
// No map, weight or bias is infinite: what leaves the range of half precision is NaN. A ReLU would make
// a zero of minus infinity, but all that is computed from a NaN is NaN, up to the logits. So finite
// logits say that nothing left the range.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sqz/views.h"

namespace sqz {

// y = relu?(conv(x, w) + b), without padding. For a padded convolution, `x` includes the border.
// Weights are packed as [block][ky][kx][ci][conv_nr].
struct HalfConvArgs {
  HalfView x, y;
  const Half* w;
  const Half* b;
  int kh, kw, stride;
  bool relu;
};

// y = relu(conv(x, w) + b) with stride 1 and without padding, by Winograd's algorithm with 6 x 6
// points: tiles of 4 x 4 outputs for filters of 3 x 3 `taps`, of 3 x 3 outputs for those of 4 x 4.
// For a padded convolution, `x` includes the border. `x` also has rows and columns of zeros for the
// tiles at the lower and right edges. `points` is scratch memory, see winograd_f16_points. Weights are
// packed as [block][ci][ky][kx][conv_nr].
//
// The channels of a map for 4 x 4 taps are those of squares, see core/squares.h. Of the filters, the last
// row of the lower pixels and the last column of the right pixels are zeros.
//
// The transform of the input multiplies it by up to 28, the product of two rows' sums of
// magnitudes, so `x` must have that distance from the range of half precision.
struct HalfWinogradArgs {
  HalfView x, y;
  const Half* w;
  const Half* b;
  Half* points;
  int taps;
};

// logits[n][o] = (sum over pixels of relu?(x . w[o] + b[o]) + border * relu?(b[o])) / (h*w + border)
// `border` is the number of zero pixels that the padding of the 1x1 convolution adds around the
// map. Weights are packed as [block][ci][list_nr]. `lists` and `values` are scratch memory for the
// channels that are not zero and for their values, see classifier_f16_entries.
struct HalfClassifierArgs {
  HalfView x;
  float* logits;  // n rows of `classes`
  const Half* w;
  const Half* b;
  int classes;
  int border;
  bool relu;
  uint32_t* lists;
  Half* values;
};

// 3x3 windows with stride 2, clipped at the lower and right edge. Ceil mode affects only the size of
// y.
struct HalfPoolArgs {
  HalfView x, y;
};

// y = a + b, element by element.
struct HalfAddArgs {
  HalfView a, b, y;
};

// y = x, rounded to the nearest half-precision number.
struct HalfRoundArgs {
  View x;
  HalfView y;
};

struct Float16Kernels {
  const char* isa;
#define SQZ_VALUE(name, constant) int name;
#define SQZ_KERNEL(result, name, parameters) result(*name) parameters;
#include "sqz/f16.def"
};

}  // namespace sqz
