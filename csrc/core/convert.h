// Converts what files and callers hold to what the kernels read, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/threadpool.h"
#include "sqz/views.h"

namespace sqz {

// The types that files hold weights in.
enum class StoredFloat { float16, bfloat16, float32, float64 };

std::size_t item_size(StoredFloat type);

// `count` little-endian values to float32; float64 is rounded to nearest.
void to_float32(const unsigned char* source, StoredFloat type, std::size_t count, float* out);

bool all_finite(const float* values, std::size_t count);

// N x C x H x W with any strides (in bytes) to the NHWC view. False where a value is not finite.
bool import_nchw(ThreadPool& pool, const unsigned char* source, const std::ptrdiff_t strides[4],
                 const View& y);

// NHWC to contiguous NCHW.
void export_nchw(const View& x, float* out);

// The k largest of `count` values, largest first, the lower index first among equals.
std::vector<std::pair<int, float>> top_k(const float* values, int count, int k);

}  // namespace sqz
