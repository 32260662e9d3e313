// The contract between the kernels and everything above them: plain structs and one table of
// functions per instruction set. Activations are NHWC (channel-last) float32 throughout.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sqz {

// Bumped whenever a struct or the table below changes, so that two extension modules that share
// a table through a capsule can tell that they were built together.
inline constexpr int kTableVersion = 3;

// A batch of channel-last images. Strides count floats; channels are always adjacent.
struct View {
  float* data;
  int n, h, w, c;
  ptrdiff_t pixel, row, image;
};

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

// y = relu?(conv(x, w) + b), stride 1, without padding (a padded one is given a view that includes
// the border), by Winograd's algorithm with tiles of tile x tile outputs. `taps` is the filter's
// height and width: 3, with tiles from 2 to 7, or 4, with tiles of 5 or 6. With side = tile + taps - 1,
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
// is scratch for the channels that are not zero, classifier_lists(args) of it.
struct ClassifierArgs {
  View x;
  float* logits;  // n rows of `classes`
  const float* w;
  const float* b;
  int classes;
  int border;
  int32_t* lists;
};

// 3x3 windows, stride 2, clipped at the lower and right edge (ceil mode decides y's size).
struct MaxPoolArgs {
  View x, y;
};

// y = a + b, element by element.
struct AddArgs {
  View a, b, y;
};

// One pass of a separable, antialiased resize in Pillow's fixed-point arithmetic: output sample
// i is the sum over t < count[i] of coeff[i * taps + t] * in[first[i] + t], with coefficients
// scaled by 2^22, rounded and clamped to 0..255. `taps` is a multiple of kTapBlock, and the
// coefficients from count[i] on are zero, so that whole registers of them can be read. first and
// first + count never decrease with i.
inline constexpr int kTapBlock = 16;
struct ResampleTaps {
  const int32_t* first;
  const int32_t* count;
  const int32_t* coeff;
  int taps;  // coefficients per output sample
  int most;  // the largest count
};

struct ResizeRowsArgs {
  const uint8_t* src;   // rows of `channels` interleaved bytes; a fourth channel is ignored
  ptrdiff_t src_row;    // bytes, not negative
  ptrdiff_t src_bytes;  // readable bytes from `src`, so that wide loads stay inside
  int channels;         // 1 (grey), 3 or 4
  int out_w;
  ResampleTaps taps;
  bool reverse;       // write BGR for RGB
  uint8_t* dst;       // rows of out_w * 3 bytes and one more that is overwritten
  ptrdiff_t dst_row;  // bytes
};

// y = (v - mean) * scale for the grey levels v, as floats; where `dst` is null the grey levels
// themselves go to `bytes`.
struct ResizeColumnsArgs {
  const uint8_t* src;  // rows of `size` bytes
  ptrdiff_t src_row;
  int first_row;  // the row that `src` points to, as taps.first counts them
  int size;       // values in a row
  ResampleTaps taps;
  float mean[3], scale[3];  // of values 3i, 3i + 1 and 3i + 2
  float* dst;
  ptrdiff_t dst_row;  // floats
  uint8_t* bytes;
  ptrdiff_t bytes_row;
};

// Work is cut into items; a run covers items [begin, end) and runs may happen on any thread.
struct KernelTable {
  int version;
  const char* isa;
  int lanes;         // floats in a register
  int conv_mr;       // pixels in one register tile
  int conv_nr;       // output channels in one register tile: the `nr` that weights are packed for
  int max_tile;      // the largest tiles of Winograd's algorithm that pay, with 3 taps
  int stem_tile;     // and with 4
  int tile_step;     // tiles whose products take as long as those of one of them
  int filter_tiles;  // tiles whose products take as long as to transform the filters

  int64_t (*conv_items)(const ConvArgs&);
  void (*conv_f32)(const ConvArgs&, int64_t begin, int64_t end);
  // conv_f32 for 1x1 kernels of stride 1 whose input may be mostly zeros.
  int64_t (*squeeze_items)(const ConvArgs&);
  void (*squeeze_f32)(const ConvArgs&, int64_t begin, int64_t end);
  // First all of winograd_input, then all of winograd_output.
  int64_t (*winograd_input_items)(const WinogradArgs&);
  void (*winograd_input_f32)(const WinogradArgs&, int64_t begin, int64_t end);
  int64_t (*winograd_output_items)(const WinogradArgs&);
  // `u` is scratch of each thread's own, for side^2 * (x.c * conv_nr + kPointPadding) floats.
  void (*winograd_output_f32)(const WinogradArgs&, int64_t begin, int64_t end, float* u);
  // First all of classifier_list, then all of classifier.
  int64_t (*classifier_lists)(const ClassifierArgs&);
  int64_t (*classifier_list_items)(const ClassifierArgs&);
  void (*classifier_list_f32)(const ClassifierArgs&, int64_t begin, int64_t end);
  int64_t (*classifier_items)(const ClassifierArgs&);
  void (*classifier_f32)(const ClassifierArgs&, int64_t begin, int64_t end);
  int64_t (*maxpool_items)(const MaxPoolArgs&);
  void (*maxpool_f32)(const MaxPoolArgs&, int64_t begin, int64_t end);
  int64_t (*add_items)(const AddArgs&);
  void (*add_f32)(const AddArgs&, int64_t begin, int64_t end);
  // y may be x. Rows are scaled by their maximum first, so nothing overflows.
  void (*softmax_f32)(const float* x, float* y, int rows, int columns);
  void (*resize_rows_u8)(const ResizeRowsArgs&, int begin, int end);         // source rows
  void (*resize_columns_f32)(const ResizeColumnsArgs&, int begin, int end);  // output rows
};

}  // namespace sqz
