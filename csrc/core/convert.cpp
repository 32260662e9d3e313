#include "core/convert.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace sqz {
namespace {

// Converts half to single precision. The exponent and mantissa are shifted into place and scaled by
// 2^112. This rebiases the exponent and normalizes subnormals at once. Infinities and NaNs get an
// exponent of all ones. There is no branch, so compilers can vectorize a loop over it.
float from_half(std::uint16_t half) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fff) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  float value;
  std::memcpy(&value, &magnitude, sizeof value);
  value *= 0x1p112f;
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits |= sign | ((half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0u);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <typename T>
T read(const unsigned char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

}  // namespace

std::size_t item_size(StoredFloat type) {
  return type == StoredFloat::float64 ? 8 : type == StoredFloat::float32 ? 4 : 2;
}

void to_float32(const unsigned char* source, StoredFloat type, std::size_t count, float* out) {
  switch (type) {
    case StoredFloat::float16:
      for (std::size_t i = 0; i < count; ++i)
        out[i] = from_half(read<std::uint16_t>(source + 2 * i));
      break;
    case StoredFloat::bfloat16:
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t bits = static_cast<std::uint32_t>(read<std::uint16_t>(source + 2 * i))
                                   << 16;
        std::memcpy(out + i, &bits, sizeof bits);
      }
      break;
    case StoredFloat::float32:
      if (count) std::memcpy(out, source, count * sizeof(float));
      break;
    case StoredFloat::float64:
      for (std::size_t i = 0; i < count; ++i)
        out[i] = static_cast<float>(read<double>(source + 8 * i));
      break;
  }
}

namespace {

// Returns 1 if the value is NaN or infinite, else 0. It compares integers without a branch, so that
// compilers can vectorize a loop over it.
std::int32_t not_finite(const void* value) {
  std::int32_t bits;
  std::memcpy(&bits, value, sizeof bits);
  return (bits & 0x7fffffff) > 0x7f7fffff;
}

// By independent sums, so that compilers can vectorize the loop; they do not where it makes two.
template <typename Of>
float sum_of(const float* values, std::size_t length, Of of) {
  constexpr std::size_t kSums = 16;
  float sums[kSums] = {};
  std::size_t i = 0;
  for (; i + kSums <= length; i += kSums)
    for (std::size_t k = 0; k < kSums; ++k) sums[k] += of(values[i + k]);
  for (; i < length; ++i) sums[0] += of(values[i]);
  float sum = 0;
  for (const float part : sums) sum += part;
  return sum;
}

}  // namespace

bool all_finite(const float* values, std::size_t count) {
  std::int32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i) bad |= not_finite(values + i);
  return bad == 0;
}

bool all_finite(const Half* values, std::size_t count) {
  constexpr Half kExponent = 0x7c00;
  bool bad = false;
  for (std::size_t i = 0; i < count; ++i) bad |= (values[i] & kExponent) == kExponent;
  return !bad;
}

RowSums largest_rows(const float* values, std::size_t rows, std::size_t length) {
  RowSums largest{0, 0};
  for (const float* end = values + rows * length; values != end; values += length) {
    const float magnitude = sum_of(values, length, [](float value) { return std::fabs(value); }),
                sum = sum_of(values, length, [](float value) { return value; });
    largest.positive = std::max(largest.positive, magnitude / 2 + sum / 2);
    if (!(magnitude <= largest.magnitude)) largest.magnitude = magnitude;
    if (std::isnan(magnitude)) break;
  }
  return largest;
}

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The largest magnitude of adjacent values, or infinity if one is not finite. The bits of magnitudes
// have the same order as integers, and compilers vectorize a maximum of integers.
float largest_of(const unsigned char* values, std::ptrdiff_t count) {
  std::int32_t largest = 0;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const std::int32_t magnitude =
        read<std::int32_t>(values + i * static_cast<std::ptrdiff_t>(sizeof(float))) & 0x7fffffff;
    largest = largest > magnitude ? largest : magnitude;
  }
  if (largest > 0x7f7fffff) return kInfinity;
  float magnitude;
  std::memcpy(&magnitude, &largest, sizeof magnitude);
  return magnitude;
}

// Copies one row of pixels, channel by channel. `channel` and `pixel` are the source's strides in
// bytes. Returns what largest_of() returns for all of them.
float import_row(const unsigned char* from, std::ptrdiff_t channel, std::ptrdiff_t pixel,
                 const View& y, float* to) {
  float largest = 0;
  for (std::ptrdiff_t c = 0; c < y.c; ++c, from += channel)
    for (std::ptrdiff_t w = 0; w < y.w; ++w) {
      largest = std::max(largest, largest_of(from + w * pixel, 1));
      to[w * y.pixel + c] = read<float>(from + w * pixel);
    }
  return largest;
}

// The same for the most common layout: three planes with adjacent pixels.
float import_rgb_row(const unsigned char* from, std::ptrdiff_t channel, std::ptrdiff_t width,
                     float* to) {
  const unsigned char *r = from, *g = from + channel, *b = from + 2 * channel;
  constexpr std::ptrdiff_t kSize = sizeof(float);
  for (std::ptrdiff_t i = 0; i < width; ++i, to += 3) {
    // All three values are read before one is written, so that the compiler can vectorize the loop.
    const float red = read<float>(r + i * kSize), green = read<float>(g + i * kSize);
    const float blue = read<float>(b + i * kSize);
    to[0] = red, to[1] = green, to[2] = blue;
  }
  return std::max({largest_of(r, width), largest_of(g, width), largest_of(b, width)});
}

}  // namespace

namespace {

// Calls `row(n, h)` for all rows of `y`, on all threads; returns the largest result.
template <typename View, typename Row>
float import_rows(ThreadPool& pool, const View& y, const Row& row) {
  std::atomic<float> largest{0};
  pool.run(static_cast<std::int64_t>(y.n) * y.h, [&](std::int64_t begin, std::int64_t end, int) {
    float own = 0;
    for (std::int64_t i = begin; i < end; ++i) own = std::max(own, row(i / y.h, i % y.h));
    float before = largest;
    while (before < own && !largest.compare_exchange_weak(before, own)) {
    }
  });
  return largest;
}

}  // namespace

float import_nchw(ThreadPool& pool, const unsigned char* source, const std::ptrdiff_t strides[4],
                  const View& y) {
  const bool rgb = y.c == 3 && y.pixel == 3 && strides[3] == sizeof(float);
  return import_rows(pool, y, [&](std::int64_t n, std::int64_t h) {
    const unsigned char* from = source + n * strides[0] + h * strides[2];
    float* to = y.data + n * y.image + h * y.row;
    return rgb ? import_rgb_row(from, strides[1], y.w, to)
               : import_row(from, strides[1], strides[3], y, to);
  });
}

namespace {

ByteLevels levels_of(float mean, float step, int lowest, int highest) {
  // What is added after the rounding: the mean if it is an integer, else an even number, so that
  // halves go to even bytes. A mean far from all bytes only leads to the limits.
  float integer = std::floor(mean);
  if (integer != mean) integer = 2 * std::floor(mean / 2);
  if (!(std::fabs(mean) < 1e6f)) integer = 0;
  return {step, mean - integer, static_cast<std::int32_t>(integer), lowest, highest};
}

}  // namespace

float import_nchw_levels(const Int8Kernels& table, ThreadPool& pool, const unsigned char* source,
                         const std::ptrdiff_t strides[4], const ByteView& y, const float mean[3],
                         const float step[3], int lowest, int highest) {
  ByteLevels levels[3];
  for (int c = 0; c < 3; ++c) levels[c] = levels_of(mean[c], step[c], lowest, highest);
  const bool adjacent = strides[3] == sizeof(float) && y.pixel == 3;
  return import_rows(pool, y, [&](std::int64_t n, std::int64_t h) {
    const unsigned char* from = source + n * strides[0] + h * strides[2];
    std::uint8_t* to = y.data + n * y.image + h * y.row;
    if (adjacent) return table.import_levels_i8(from, strides[1], y.w, levels, to) ? kInfinity : 0;
    float largest = 0;
    for (std::ptrdiff_t w = 0; w < y.w; ++w, from += strides[3], to += y.pixel)
      if (table.import_levels_i8(from, strides[1], 1, levels, to)) largest = kInfinity;
    return largest;
  });
}

void export_nchw(const View& x, float* out) {
  for (std::ptrdiff_t n = 0; n < x.n; ++n)
    for (std::ptrdiff_t c = 0; c < x.c; ++c)
      for (std::ptrdiff_t h = 0; h < x.h; ++h)
        for (std::ptrdiff_t w = 0; w < x.w; ++w)
          *out++ = x.data[n * x.image + h * x.row + w * x.pixel + c];
}

std::vector<std::pair<int, float>> top_k(const float* values, int count, int k) {
  std::vector<int> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  k = std::max(0, std::min(k, count));
  std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int a, int b) {
    return values[a] != values[b] ? values[a] > values[b] : a < b;
  });
  std::vector<std::pair<int, float>> top;
  for (int i = 0; i < k; ++i) top.emplace_back(order[i], values[order[i]]);
  return top;
}

}  // namespace sqz
