// Zeroed memory, aligned to cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace sqz {

inline constexpr std::size_t kLine = 64;  // bytes in a cache line

// Rounds `bytes` up to whole cache lines, so that the next array starts on a cache line.
inline std::size_t whole_lines(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

class Buffer {
 public:
  Buffer() = default;
  // calloc knows which memory is new from the system and zero already. An aligned allocation does
  // not, so it would have to be filled.
  explicit Buffer(std::size_t bytes) : memory_(std::calloc(bytes + kLine, 1)), bytes_(bytes) {
    if (!memory_) throw std::bad_alloc();
  }

  void* data() const {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
    return static_cast<std::byte*>(memory_.get()) + (kLine - address % kLine) % kLine;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  std::size_t bytes_ = 0;
};

// A zeroed array of one type.
template <typename T>
class Array {
 public:
  Array() = default;
  explicit Array(std::size_t count) : buffer_(count * sizeof(T)) {}

  T* data() const { return static_cast<T*>(buffer_.data()); }

 private:
  Buffer buffer_;
};

}  // namespace sqz
