// Zeroed memory, aligned to cache lines.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace sqz {

inline constexpr std::size_t kLine = 64;  // bytes in a cache line

// Rounds `bytes` up to whole cache lines, so that the next array starts on a cache line.
inline std::size_t whole_lines(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes) : data_(::operator new(bytes + 1, kAlign)), bytes_(bytes) {
    std::memset(data_.get(), 0, bytes);
  }

  void* data() const { return data_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::align_val_t kAlign{kLine};
  struct Delete {
    void operator()(void* p) const { ::operator delete(p, kAlign); }
  };
  std::unique_ptr<void, Delete> data_;
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
