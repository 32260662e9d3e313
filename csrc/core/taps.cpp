#include "core/taps.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace sqz {

// Computes the same coefficients as Pillow's `precompute_coeffs` (src/libImaging/Resample.c) for
// BILINEAR. Output sample i is at position (i + 1/2) * scale. Its triangle extends one source
// sample to each side, or `scale` samples when shrinking. The weights are the triangle's values at
// the centers of the source samples inside it. They are divided by their sum, and rounded half away
// from zero to 22 bits. The double operations and their order are the same as Pillow's, so the
// integers are equal.
Taps::Taps(int in_size, int resized, int offset, int size) : first_(size), count_(size) {
  const double scale = static_cast<double>(in_size) / resized;
  const double filter_scale = std::max(scale, 1.0);
  const double inverse = 1.0 / filter_scale;
  const int widest = static_cast<int>(std::ceil(filter_scale)) * 2 + 1;
  taps_ = (widest + kTapBlock - 1) / kTapBlock * kTapBlock;
  coeff_.resize(static_cast<std::size_t>(size) * taps_);
  std::vector<double> weight(taps_);
  for (int i = 0; i < size; ++i) {
    const double center = (offset + i + 0.5) * scale;
    const int low = std::max(static_cast<int>(center - filter_scale + 0.5), 0);
    const int high = std::min(static_cast<int>(center + filter_scale + 0.5), in_size);
    double total = 0.0;
    for (int j = low; j < high; ++j) {
      const double distance = std::fabs((j - center + 0.5) * inverse);
      weight[j - low] = distance < 1.0 ? 1.0 - distance : 0.0;
      total += weight[j - low];
    }
    std::int32_t* coeff = coeff_.data() + static_cast<std::ptrdiff_t>(i) * taps_;
    for (int j = 0; j < high - low; ++j) {
      const double share = total != 0.0 ? weight[j] / total : weight[j];
      coeff[j] = static_cast<std::int32_t>(0.5 + share * (1 << kCoeffBits));
    }
    first_[i] = low;
    count_[i] = high - low;
    most_ = std::max(most_, high - low);
  }
  begin_ = first(0);
  end_ = stop(size - 1);
}

ResampleTaps Taps::from(int i) const {
  const std::ptrdiff_t skipped = static_cast<std::ptrdiff_t>(i) * taps_;
  return {first_.data() + i, count_.data() + i, coeff_.data() + skipped, taps_, most_};
}

void Taps::count_from_begin() {
  for (std::int32_t& first : first_) first -= begin_;
}

}  // namespace sqz
