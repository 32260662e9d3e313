// The kernels that turn a photo's pixels into the network's input: their arguments, and the table of
// one instruction set.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sqz {

// Incremented whenever a struct of this file changes. The table goes from one extension module to
// another, which checks by this number that both come from the same build.
inline constexpr int kPixelKernelsVersion = 1;

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
  int channels;         // 1 (gray), 3 or 4
  int out_w;
  ResampleTaps taps;
  bool reverse;       // write BGR for RGB
  uint8_t* dst;       // rows of out_w * 3 bytes and one more that is overwritten
  ptrdiff_t dst_row;  // bytes
};

// y = (v - mean) * scale for the gray levels v, as floats; where `dst` is null the gray levels
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

struct PixelKernels {
  int version;
  const char* isa;
#define SQZ_KERNEL(result, name, parameters) result(*name) parameters;
#include "sqz/pixels.def"
};

}  // namespace sqz
