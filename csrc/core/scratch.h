// A layer's scratch memory, which is divided into arrays of any type.
#pragma once

#include <cstddef>

#include "core/buffer.h"

namespace sqz {

// A layer takes all its arrays from a Scratch in one function, plan(). With an empty Scratch,
// plan() only counts the bytes. With memory, it returns the arrays for a run.
class Scratch {
 public:
  Scratch() = default;  // empty: take() returns null
  explicit Scratch(void* data) : data_(static_cast<std::byte*>(data)) {}

  // Each array starts on a cache line, if the memory does.
  template <typename T>
  T* take(std::size_t count) {
    const std::size_t begin = whole_lines(bytes_);
    bytes_ = begin + count * sizeof(T);
    return data_ ? static_cast<T*>(static_cast<void*>(data_ + begin)) : nullptr;
  }

  std::size_t bytes() const { return bytes_; }  // taken so far

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace sqz
