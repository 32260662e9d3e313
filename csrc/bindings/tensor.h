// What Python holds of a map or of weights, and how shapes are checked.
#pragma once

#include <array>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/buffer.h"
#include "core/layers.h"

namespace sqz {

using Shape = std::array<int, 4>;

inline std::string text(const View& v) {
  return "(" + std::to_string(v.n) + ", " + std::to_string(v.h) + ", " + std::to_string(v.w) +
         ", " + std::to_string(v.c) + ")";
}

inline void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

inline void require_size(const View& v, int n, int h, int w, int c, const char* name) {
  require(n > 0 && h > 0 && w > 0 && v.n == n && v.h == h && v.w == w && v.c == c,
          std::string(name) + " has shape " + text(v) + ", expected (" + std::to_string(n) + ", " +
              std::to_string(h) + ", " + std::to_string(w) + ", " + std::to_string(c) + ")");
}

inline std::size_t elements(const Shape& s) {
  std::size_t count = 1;
  for (int d : s) {
    require(d > 0, "a tensor's sizes must be positive");
    require(count <= std::numeric_limits<std::ptrdiff_t>::max() / sizeof(float) / d,
            "the tensor is too large");
    count *= static_cast<std::size_t>(d);
  }
  return count;
}

inline View contiguous(float* data, const Shape& s) {
  return contiguous_view(data, s[0], s[1], s[2], s[3]);
}

// A view and whatever keeps its memory alive.
struct Tensor {
  std::shared_ptr<void> owner;
  View view;

  static Tensor zeros(const Shape& shape) {
    auto buffer = std::make_shared<Buffer>(elements(shape));
    return {buffer, contiguous(buffer->data(), shape)};
  }

  // `floats` into this tensor's memory, which must be contiguous.
  Tensor part(std::size_t offset, const Shape& shape) const {
    const std::size_t size = static_cast<std::size_t>(view.n) * view.image;
    require(is_contiguous(), "part() needs a contiguous tensor");
    require(offset <= size && elements(shape) <= size - offset, "the part lies outside");
    return {owner, contiguous(view.data + offset, shape)};
  }

  bool is_contiguous() const {
    return view.pixel == view.c && view.row == view.pixel * view.w &&
           view.image == view.row * view.h;
  }
};

}  // namespace sqz
