#include "core/photo.h"

#include <vector>

namespace sqz {
namespace {

void pack_yuv_row(const Photo& frame, int row, int column, int columns, std::uint8_t* dst) {
  const Chroma& chroma = frame.chroma;
  const std::ptrdiff_t shared = (row >> 1) * chroma.row;
  yuv_to_rgbx(frame.data + row * frame.row, chroma.u + shared, chroma.v + shared, chroma.step,
              chroma.matrix, column, columns, dst);
}

}  // namespace

bool is_adjacent(const Photo& photo) {
  return photo.chroma.u == nullptr && photo.channel == 1 && photo.pixel == photo.channels &&
         photo.row >= static_cast<std::ptrdiff_t>(photo.width) * photo.channels;
}

void pack_rows(const Photo& photo, int row, int rows, int column, int columns, std::uint8_t* dst) {
  const bool is_yuv = photo.chroma.u != nullptr;
  for (int y = row; y < row + rows; ++y) {
    if (is_yuv) {
      pack_yuv_row(photo, y, column, columns, dst);
      dst += static_cast<std::ptrdiff_t>(columns) * photo.channels;
      continue;
    }
    const std::uint8_t* line = photo.data + y * photo.row;
    for (int x = column; x < column + columns; ++x)
      for (int c = 0; c < photo.channels; ++c) *dst++ = line[x * photo.pixel + c * photo.channel];
  }
}

void convert_to_rgb(const Photo& frame, std::uint8_t* dst) {
  std::vector<std::uint8_t> rgbx(static_cast<std::size_t>(frame.width) * 4);
  for (int y = 0; y < frame.height; ++y) {
    pack_yuv_row(frame, y, 0, frame.width, rgbx.data());
    for (int x = 0; x < frame.width; ++x, dst += 3)
      for (int c = 0; c < 3; ++c) dst[c] = rgbx[4 * x + c];
  }
}

}  // namespace sqz
