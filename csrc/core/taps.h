// The resampling filter: which source samples make an output sample, and their weights.
#pragma once

#include <cstdint>
#include <vector>

#include "sqz/pixels.h"

namespace sqz {

inline constexpr int kCoeffBits = 22;  // fractional bits of ResampleTaps' coefficients

class Taps {
 public:
  // The triangle filter for the output samples [offset, offset + size) of in_size -> resized.
  Taps(int in_size, int resized, int offset, int size);

  // The source samples that take part: [begin(), end()).
  int begin() const { return begin_; }
  int end() const { return end_; }
  // The source samples of output sample i: [first(i), stop(i)), at most most().
  int first(int i) const { return first_[i]; }
  int stop(int i) const { return first_[i] + count_[i]; }
  int most() const { return most_; }

  // Counts the source samples of the output samples from begin() on.
  void count_from_begin();

  // What the kernels read, for the output samples from i on.
  ResampleTaps from(int i) const;

 private:
  std::vector<std::int32_t> first_, count_, coeff_;
  int taps_;  // coefficients per output sample
  int most_ = 1;
  int begin_, end_;
};

}  // namespace sqz
