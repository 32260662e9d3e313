// A decoded photo or a camera frame in the memory of its owner, and the copy of its rows to
// adjacent pixels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sqz/yuv.h"

namespace sqz {

// The longest side of a photo or of the resized photo. This limit keeps all indices and sums below
// 2^31, and the filters small.
inline constexpr int kMaxSide = 65535;

// The color planes of a YUV 4:2:0 frame. Each sample belongs to 2 x 2 pixels.
struct Chroma {
  const std::uint8_t* u;  // null if the photo is not YUV
  const std::uint8_t* v;
  std::ptrdiff_t row, step;  // strides of rows and samples in bytes
  YuvMatrix matrix;
};

struct Photo {
  const std::uint8_t* data;  // luma for YUV
  int height, width;
  int channels;                        // 1, 3 or 4; 4 for YUV, which is converted to RGBX
  std::ptrdiff_t row, pixel, channel;  // strides in bytes, may be negative
  Chroma chroma;
};

// Whether the pixels of a row are adjacent, so that rows can be read without a copy.
bool is_adjacent(const Photo& photo);

// Copies a window of a photo to adjacent pixels.
void pack_rows(const Photo& photo, int row, int rows, int column, int columns, std::uint8_t* dst);

// Converts a YUV frame to RGB. `dst` has height * width * 3 bytes.
void convert_to_rgb(const Photo& frame, std::uint8_t* dst);

}  // namespace sqz
