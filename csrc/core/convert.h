// Conversion between the data formats of files and callers and those of the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/threadpool.h"
#include "sqz/int8.h"
#include "sqz/views.h"

namespace sqz {

// The types of weights in files.
enum class StoredFloat { float16, bfloat16, float32, float64 };

std::size_t item_size(StoredFloat type);

// Converts `count` little-endian values to float32. float64 is rounded to nearest.
void to_float32(const unsigned char* source, StoredFloat type, std::size_t count, float* out);

bool all_finite(const float* values, std::size_t count);
bool all_finite(const Half* values, std::size_t count);

// The largest sum of magnitudes, and of positive values, in a row of `length` adjacent values. The
// former is infinite or not a number if a value is or if the sum overflows.
struct RowSums {
  float magnitude, positive;
};
RowSums largest_rows(const float* values, std::size_t rows, std::size_t length);

// Copies an NCHW array with any strides (in bytes) to the NHWC view. Returns the largest magnitude,
// or infinity if a value is not finite.
float import_nchw(ThreadPool& pool, const unsigned char* source, const std::ptrdiff_t strides[4],
                  const View& y);

// The same for bytes: the levels x / step[c] + mean[c] of normalized values, rounded and clipped to
// lowest..highest, which are bytes. A mean that is an integer is added after the rounding. `y` has
// three channels. Returns infinity if a value is not finite, else 0.
float import_nchw_levels(const Int8Kernels& table, ThreadPool& pool, const unsigned char* source,
                         const std::ptrdiff_t strides[4], const ByteView& y, const float mean[3],
                         const float step[3], int lowest, int highest);

// Copies an NHWC view to a contiguous NCHW array.
void export_nchw(const View& x, float* out);

// Returns the k largest of `count` values, largest first. Among equal values, the lower index comes
// first.
std::vector<std::pair<int, float>> top_k(const float* values, int count, int k);

}  // namespace sqz
