// The tensors that Python holds: maps, weights or scratch memory, and the checks of their shapes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/buffer.h"
#include "core/layers.h"

namespace sqz {

using Shape = std::array<int, 4>;

inline std::string text(const Shape& s) {
  return "(" + std::to_string(s[0]) + ", " + std::to_string(s[1]) + ", " + std::to_string(s[2]) +
         ", " + std::to_string(s[3]) + ")";
}

inline void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

inline void require_shape(const Shape& found, const Shape& expected, const char* name) {
  require(found == expected,
          std::string(name) + " has shape " + text(found) + ", expected " + text(expected));
}

template <typename T>
void require_size(const MapView<T>& v, int n, int h, int w, int c, const char* name) {
  const Shape expected = {n, h, w, c};
  require_shape({v.n, v.h, v.w, v.c}, expected, name);
}

enum class Dtype { float32, float16, int32, int8, uint8 };

inline std::size_t item_size(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
    case Dtype::int32:
      return 4;
    case Dtype::float16:
      return 2;
    default:
      return 1;
  }
}

inline std::size_t bytes_of(const Shape& s, Dtype dtype) {
  std::size_t bytes = item_size(dtype);
  for (int d : s) {
    require(d > 0, "a tensor's dimensions must be positive");
    require(bytes <= static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / d,
            "the tensor is too large");
    bytes *= static_cast<std::size_t>(d);
  }
  return bytes;
}

inline void require_aligned(const void* data, Dtype dtype) {
  require(reinterpret_cast<std::uintptr_t>(data) % item_size(dtype) == 0,
          "the memory is not aligned for its type");
}

// A view for kernels, and the owner of its memory.
template <typename T>
struct Map {
  std::shared_ptr<void> owner;
  MapView<T> view;
};
using FloatMap = Map<float>;
using HalfMap = Map<Half>;
using ByteMap = Map<std::uint8_t>;

// Values of one type with four dimensions, channels last. Strides are in values. Channels are
// adjacent.
struct Tensor {
  std::shared_ptr<void> owner;
  void* data;
  Dtype dtype;
  Shape shape;  // n, h, w, c
  std::ptrdiff_t pixel, row, image;

  static Tensor contiguous(std::shared_ptr<void> owner, void* data, const Shape& s, Dtype dtype) {
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(s[2]) * s[3];
    return {std::move(owner), data, dtype, s, s[3], row, row * s[1]};
  }

  static Tensor zeros(const Shape& shape, Dtype dtype) {
    auto buffer = std::make_shared<Buffer>(bytes_of(shape, dtype));
    return contiguous(buffer, buffer->data(), shape, dtype);
  }

  std::size_t bytes() const { return bytes_of(shape, dtype); }

  bool is_contiguous() const {
    return pixel == shape[3] && row == pixel * shape[2] && image == row * shape[1];
  }

  // Layers and operations get their views here. The type is checked and never converted.
  FloatMap floats() const { return map<float>(Dtype::float32, "float32"); }
  HalfMap halves() const { return map<Half>(Dtype::float16, "float16"); }
  ByteMap levels() const { return map<std::uint8_t>(Dtype::uint8, "uint8"); }

  // A tensor that starts `offset` bytes into this tensor's memory. This tensor must be contiguous.
  Tensor part(std::size_t offset, const Shape& part, Dtype type) const {
    require(is_contiguous(), "part() needs a contiguous tensor");
    require(offset <= bytes() && bytes_of(part, type) <= bytes() - offset,
            "the part lies outside the tensor's memory");
    std::byte* first = static_cast<std::byte*>(data) + offset;
    require_aligned(first, type);
    return contiguous(owner, first, part, type);
  }

  // This tensor without a border of `border` pixels.
  Tensor inside(int border) const {
    require(border >= 0 && border < (shape[1] + 1) / 2 && border < (shape[2] + 1) / 2,
            "the border must not be negative, and must leave at least one pixel");
    Tensor in = *this;
    in.data = static_cast<std::byte*>(data) + border * (row + pixel) * item_size(dtype);
    in.shape[1] -= 2 * border;
    in.shape[2] -= 2 * border;
    return in;
  }

  // The channels [first, first + count) of this tensor.
  Tensor channels(int first, int count) const {
    require(first >= 0 && count > 0 && count <= shape[3] - first, "no such channels");
    Tensor slice = *this;
    slice.data = static_cast<std::byte*>(data) + first * item_size(dtype);
    slice.shape[3] = count;
    return slice;
  }

 private:
  template <typename T>
  Map<T> map(Dtype expected, const char* name) const {
    require(dtype == expected, std::string("the tensor must hold ") + name);
    return {owner,
            {static_cast<T*>(data), shape[0], shape[1], shape[2], shape[3], pixel, row, image}};
  }
};

}  // namespace sqz
