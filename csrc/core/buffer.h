// Zeroed float32 storage on a cache-line boundary.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace sqz {

// `floats` rounded up to whole cache lines, so that what follows starts on one.
inline std::size_t whole_lines(std::size_t floats) { return (floats + 15) / 16 * 16; }

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t floats) : floats_(floats) {
    data_.reset(static_cast<float*>(::operator new(bytes() + 1, kAlign)));
    std::memset(data_.get(), 0, bytes());
  }

  float* data() const { return data_.get(); }
  std::size_t size() const { return floats_; }
  std::size_t bytes() const { return floats_ * sizeof(float); }

 private:
  static constexpr std::align_val_t kAlign{64};
  struct Delete {
    void operator()(float* p) const { ::operator delete(p, kAlign); }
  };
  std::unique_ptr<float, Delete> data_;
  std::size_t floats_ = 0;
};

}  // namespace sqz
