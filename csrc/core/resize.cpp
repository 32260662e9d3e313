#include "core/resize.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include "core/taps.h"

namespace sqz {
namespace {

// Intermediate rows held in addition to those that one output row needs: 32 KB at 224 columns.
constexpr int kWindow = 48;
// Output rows that columns_first() computes at a time.
constexpr int kBlock = 16;

using Bytes = std::unique_ptr<std::uint8_t[]>;

// Not zeroed: each byte is written before it is read.
Bytes uninitialized(std::ptrdiff_t count) { return Bytes(new std::uint8_t[count]); }

struct Rows {
  const std::uint8_t* data;
  std::ptrdiff_t row, readable;  // stride in bytes; readable bytes from `data` on
};

class Resizer {
 public:
  Resizer(const PixelKernels& kernels, const Photo& photo, const Resize& resize,
          const NetworkInput& out)
      : kernels_(kernels),
        photo_(photo),
        out_(out),
        reverse_(resize.reverse),
        adjacent_(is_adjacent(photo)),
        across_(photo.width, resize.width, resize.left, out.width),
        down_(photo.height, resize.height, resize.top, out.height),
        used_(across_.end() - across_.begin()) {
    across_.count_from_begin();
    std::copy_n(resize.mean, 3, columns_.mean);
    std::copy_n(resize.scale, 3, columns_.scale);
    columns_.size = 3 * out.width;
    columns_.dst = out.floats;
    columns_.dst_row = out.row;
    columns_.bytes = out.bytes;
    columns_.bytes_row = out.row;
  }

  void rows_first();
  void columns_first();

 private:
  // Bytes of an intermediate row. The rows kernel writes one extra byte.
  std::ptrdiff_t middle_row() const { return 3 * static_cast<std::ptrdiff_t>(out_.width) + 1; }
  std::ptrdiff_t used_row() const { return static_cast<std::ptrdiff_t>(used_) * photo_.channels; }
  // Memory for `rows` packed source rows, or null if the photo's rows can be read without a copy.
  Bytes packing_room(int rows) const {
    return adjacent_ ? nullptr : uninitialized(rows * used_row());
  }

  Rows source_rows(int row, int rows, std::uint8_t* packed) const;
  void run_rows(const Rows& source, int rows, std::uint8_t* dst) const;

  const PixelKernels& kernels_;
  const Photo& photo_;
  const NetworkInput& out_;
  bool reverse_, adjacent_;
  Taps across_, down_;
  int used_;  // source columns that contribute to the output
  ResizeColumnsArgs columns_{};
};

// Returns `rows` source rows, restricted to the columns that contribute. They are copied to
// `packed` only if they cannot be read in the photo's memory.
Rows Resizer::source_rows(int row, int rows, std::uint8_t* packed) const {
  if (!adjacent_) {
    pack_rows(photo_, row, rows, across_.begin(), used_, packed);
    return {packed, used_row(), rows * used_row()};
  }
  const std::ptrdiff_t channels = photo_.channels;
  return {photo_.data + row * photo_.row + across_.begin() * channels, photo_.row,
          (photo_.height - 1 - row) * photo_.row + (photo_.width - across_.begin()) * channels};
}

void Resizer::run_rows(const Rows& source, int rows, std::uint8_t* dst) const {
  const ResizeRowsArgs args{source.data,     source.row, source.readable,
                            photo_.channels, out_.width, across_.from(0),
                            reverse_,        dst,        middle_row()};
  kernels_.resize_rows_u8(args, 0, rows);
}

// Runs both passes on a window of source rows at a time.
void Resizer::rows_first() {
  const int window = down_.most() + kWindow;
  const std::ptrdiff_t row_bytes = middle_row();
  const Bytes middle = uninitialized(window * row_bytes), packed = packing_room(window);
  int low = down_.begin(), high = down_.begin();  // `middle` holds the source rows [low, high)
  columns_.src = middle.get();
  columns_.src_row = row_bytes;
  columns_.taps = down_.from(0);
  for (int y = 0; y < out_.height;) {
    const int first = down_.first(y);
    if (first > low) {
      if (high > first)
        std::memmove(middle.get(), middle.get() + (first - low) * row_bytes,
                     (high - first) * row_bytes);
      else
        high = first;
      low = first;
    }
    const int room = window - (high - low);
    int new_rows = down_.end() - high;
    if (new_rows > room) new_rows = room & ~3;  // the kernel computes four rows at a time
    if (new_rows > 0) {
      run_rows(source_rows(high, new_rows, packed.get()), new_rows,
               middle.get() + (high - low) * row_bytes);
      high += new_rows;
    }
    int stop = y;
    while (stop < out_.height && down_.stop(stop) <= high) ++stop;
    columns_.first_row = low;
    kernels_.resize_columns_f32(columns_, y, stop);
    y = stop;
  }
}

// Resizes the columns, then the rows, then normalizes, kBlock output rows at a time.
void Resizer::columns_first() {
  const int block = adjacent_ ? kBlock : 1;
  const Bytes resized = uninitialized(block * used_row());
  const Bytes middle = uninitialized(block * middle_row()), packed = packing_room(down_.most());

  ResizeColumnsArgs shrink{};
  shrink.size = static_cast<int>(used_row());
  shrink.bytes = resized.get();
  shrink.bytes_row = used_row();

  // The second columns kernel only normalizes: its filter is the identity, with one tap per row.
  std::int32_t identity_first[kBlock], identity_count[kBlock], identity_coeff[kBlock];
  for (int i = 0; i < kBlock; ++i)
    identity_first[i] = i, identity_count[i] = 1, identity_coeff[i] = 1 << kCoeffBits;
  columns_.src = middle.get();
  columns_.src_row = middle_row();
  columns_.taps = {identity_first, identity_count, identity_coeff, 1, 1};

  for (int y = 0; y < out_.height; y += block) {
    const int rows = std::min(block, out_.height - y), first = down_.first(y);
    const Rows source = source_rows(first, down_.stop(y + rows - 1) - first, packed.get());
    shrink.src = source.data;
    shrink.src_row = source.row;
    shrink.first_row = first;
    shrink.taps = down_.from(y);
    kernels_.resize_columns_f32(shrink, 0, rows);
    run_rows({resized.get(), used_row(), rows * used_row()}, rows, middle.get());
    if (out_.floats)
      columns_.dst = out_.floats + y * out_.row;
    else
      columns_.bytes = out_.bytes + y * out_.row;
    kernels_.resize_columns_f32(columns_, 0, rows);
  }
}

}  // namespace

void resize_photo(const PixelKernels& kernels, const Photo& photo, const Resize& resize,
                  const NetworkInput& out) {
  Resizer resizer(kernels, photo, resize, out);
  // The passes have the order of Pillow 13. Earlier releases always begin with the rows. The order
  // affects the rounding between the passes, by at most one gray level.
  const std::int64_t removed_rows = static_cast<std::int64_t>(photo.height) - resize.height;
  const std::int64_t removed_columns = static_cast<std::int64_t>(photo.width) - resize.width;
  if (removed_rows > 0 && removed_rows > 2 * removed_columns)
    resizer.columns_first();
  else
    resizer.rows_first();
}

}  // namespace sqz
