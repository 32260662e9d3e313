// The resampling filter: the source samples of each output sample, and their weights.
#pragma once

#include <cstdint>
#include <vector>

#include "sqz/pixels.h"

namespace sqz {

inline constexpr int kCoeffBits = 22;  // fraction bits of ResampleTaps' coefficients

class Taps {
 public:
  // The triangle filter that resizes in_size samples to `resized`, for the output samples
  // [offset, offset + size).
  Taps(int in_size, int resized, int offset, int size);

  // The source samples that contribute to any output sample are [begin(), end()).
  int begin() const { return begin_; }
  int end() const { return end_; }
  // The source samples of output sample i are [first(i), stop(i)). There are at most most() of
  // them.
  int first(int i) const { return first_[i]; }
  int stop(int i) const { return first_[i] + count_[i]; }
  int most() const { return most_; }

  // Makes first() and stop() relative to begin().
  void count_from_begin();

  // The filter in the kernels' format, for the output samples from i on.
  ResampleTaps from(int i) const;

 private:
  std::vector<std::int32_t> first_, count_, coeff_;
  int taps_;  // coefficients per output sample
  int most_ = 1;
  int begin_, end_;
};

}  // namespace sqz
