// A decoded photo or a frame of a camera where it lies, and its rows as adjacent pixels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sqz/yuv.h"

namespace sqz {

// The longest side of a photo or of its resized form. It keeps every index and every sum below
// 2^31, and the filters small.
inline constexpr int kMaxSide = 65535;

// The color planes of a YUV 4:2:0 frame. Two by two pixels share a sample.
struct Chroma {
  const std::uint8_t* u;  // null where a photo is not YUV
  const std::uint8_t* v;
  std::ptrdiff_t row, step;  // bytes from one row and from one sample to the next
  YuvMatrix matrix;
};

struct Photo {
  const std::uint8_t* data;  // luma where there is chroma
  int height, width;
  int channels;                        // 1, 3 or 4; 4 where there is chroma: it is read as RGBX
  std::ptrdiff_t row, pixel, channel;  // bytes, of any sign
  Chroma chroma;
};

// Whether a row can be read where it lies, as adjacent pixels.
bool is_adjacent(const Photo& photo);

// Copies a window of a photo to adjacent pixels.
void pack_rows(const Photo& photo, int row, int rows, int column, int columns, std::uint8_t* dst);

// Writes a YUV frame as RGB to height * width * 3 bytes.
void convert_to_rgb(const Photo& frame, std::uint8_t* dst);

}  // namespace sqz
