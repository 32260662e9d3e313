// The kernels that convert a photo's pixels to the network's input: their arguments, and the table
// of one instruction set.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sqz {

// Increase it whenever a struct of this file changes. One extension module passes the table to
// another, which checks the version to make sure that both come from the same build.
inline constexpr int kPixelKernelsVersion = 1;

// The filter of one pass of a separable, antialiased resize in Pillow's fixed-point arithmetic.
// Output sample i is the sum over t < count[i] of coeff[i * taps + t] * in[first[i] + t]. The
// coefficients are scaled by 2^22, and the sum is rounded and clamped to 0..255. `taps` is a
// multiple of kTapBlock, and the coefficients from count[i] on are zero, so that kernels can read
// whole registers of coefficients. first[i] and first[i] + count[i] never decrease with i.
inline constexpr int kTapBlock = 16;
struct ResampleTaps {
  const int32_t* first;
  const int32_t* count;
  const int32_t* coeff;
  int taps;  // coefficients per output sample
  int most;  // the largest count
};

struct ResizeRowsArgs {
  const uint8_t* src;   // rows of pixels with `channels` bytes each; a fourth channel is ignored
  ptrdiff_t src_row;    // stride in bytes, not negative
  ptrdiff_t src_bytes;  // readable bytes from `src` on, which limit wide loads
  int channels;         // 1 (gray), 3 or 4
  int out_w;
  ResampleTaps taps;
  bool reverse;       // write BGR instead of RGB
  uint8_t* dst;       // rows of out_w * 3 bytes; one byte after each is overwritten, too
  ptrdiff_t dst_row;  // stride in bytes
};

// Writes (v - mean) * scale to `dst` as floats, where v are the gray levels. If `dst` is null, it
// writes the gray levels themselves to `bytes`.
struct ResizeColumnsArgs {
  const uint8_t* src;  // rows of `size` bytes
  ptrdiff_t src_row;
  int first_row;  // the index of the row that `src` points to, in the numbering of taps.first
  int size;       // values in a row
  ResampleTaps taps;
  float mean[3], scale[3];  // for the values 3i, 3i + 1 and 3i + 2
  float* dst;
  ptrdiff_t dst_row;  // stride in floats
  uint8_t* bytes;
  ptrdiff_t bytes_row;  // stride in bytes
};

struct PixelKernels {
  int version;
  const char* isa;
#define SQZ_KERNEL(result, name, parameters) result(*name) parameters;
#include "sqz/pixels.def"
};

}  // namespace sqz
