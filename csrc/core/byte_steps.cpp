#include "core/byte_steps.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "core/maps.h"

namespace sqz {
namespace {

// Channels whose sums one loop over the pixels adds up.
constexpr int kBlock = 64;

using Line = ByteTables::Line;

// The smallest factor with which a line from `start` on is the table, if there is one.
std::optional<Line> line_from(const std::uint8_t* table, std::int32_t start) {
  constexpr std::int32_t kOne = 1 << 16;
  const std::uint8_t limit = table[kByteValues - 1];
  std::int32_t least = 0, most = kOne - 1;
  for (int x = 1; x < kByteValues; ++x) {
    const std::int32_t wanted = table[x] * kOne - start;
    if (wanted > 0) least = std::max(least, (wanted + x - 1) / x);
    if (table[x] < limit) most = std::min(most, (wanted + kOne - 1) / x);
  }
  if (least > most) return {};
  return Line{static_cast<std::uint16_t>(least), static_cast<std::uint16_t>(start), limit};
}

std::optional<Line> line_of(const std::uint8_t* table) {
  constexpr std::int32_t kHalf = 1 << 15, kStep = 1 << 9;
  if (table[0] != 0) return {};
  // A line that rounds starts at one half or near it.
  for (std::int32_t away = 0; away < kHalf; away += kStep)
    for (const std::int32_t start : {kHalf + away, kHalf - away})
      if (const auto line = line_from(table, start)) return line;
  return {};
}

// Bytes that are computed together, in local arrays, which compilers keep in registers.
constexpr int kChunk = 16;

// Computes count / kChunk chunks, in operations on 16 bits; returns the number of bytes.
int compute_chunks(const Line& line, const std::uint8_t* from, std::uint8_t* to, int count) {
  // As `start` is even, the halves of both addends carry if and only if their sum does.
  const auto half = static_cast<std::uint16_t>(line.start >> 1);
  const std::uint16_t factor = line.factor;
  const std::uint8_t limit = line.limit;
  int i = 0;
  for (; i + kChunk <= count; i += kChunk) {
    std::uint8_t bytes[kChunk];
    std::uint16_t x[kChunk], high[kChunk], low[kChunk];
    std::memcpy(bytes, from + i, kChunk);
    for (int k = 0; k < kChunk; ++k) x[k] = bytes[k];
    for (int k = 0; k < kChunk; ++k)
      high[k] = static_cast<std::uint16_t>(static_cast<std::uint32_t>(x[k]) * factor >> 16);
    for (int k = 0; k < kChunk; ++k)
      low[k] = static_cast<std::uint16_t>(static_cast<std::uint32_t>(x[k]) * factor);
    for (int k = 0; k < kChunk; ++k)
      x[k] = static_cast<std::uint16_t>(high[k] +
                                        (static_cast<std::uint16_t>((low[k] >> 1) + half) >> 15));
    for (int k = 0; k < kChunk; ++k) {
      const auto y = static_cast<std::uint8_t>(x[k]);
      bytes[k] = y < limit ? y : limit;
    }
    std::memcpy(to + i, bytes, kChunk);
  }
  return i;
}

}  // namespace

ByteTables::ByteTables(const std::uint8_t* entries, bool by_channel)
    : entries_(entries), step_(by_channel ? kByteValues : 0) {
  if (!by_channel) line_ = line_of(entries);
}

void ByteTables::recode_pixel(const std::uint8_t* x, std::uint8_t* y, int channels) const {
  for (int c = line_ ? compute_chunks(*line_, x, y, channels) : 0; c < channels; ++c)
    y[c] = entries_[c * step_ + x[c]];
}

void recode(ThreadPool& pool, const ByteTables& tables, const ByteView& x, const ByteView& target) {
  const ByteView y = target.h == x.h ? target : prepare_border(target, x.h, 0);
  pool.run(static_cast<std::int64_t>(x.n) * x.h, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / x.h, h = i % x.h;
      const std::uint8_t* from = x.data + n * x.image + h * x.row;
      std::uint8_t* to = y.data + n * y.image + h * y.row;
      for (int w = 0; w < x.w; ++w, from += x.pixel, to += y.pixel)
        tables.recode_pixel(from, to, x.c);
    }
  });
}

void mean_of_bytes(ThreadPool& pool, const ByteView& x, const std::uint8_t* edge, int border,
                   const float* scale, float* y) {
  const int blocks = (x.c + kBlock - 1) / kBlock;
  const double pixels = static_cast<double>(x.h) * x.w + border;
  pool.run(static_cast<std::int64_t>(x.n) * blocks, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / blocks;
      const int first = static_cast<int>(i % blocks) * kBlock,
                count = std::min(kBlock, x.c - first);
      std::int64_t sums[kBlock];
      for (int c = 0; c < count; ++c) sums[c] = static_cast<std::int64_t>(border) * edge[first + c];
      for (int h = 0; h < x.h; ++h) {
        // A row has at most 2**16 pixels, whose sum fits in 32 bits.
        std::uint32_t row[kBlock] = {};
        const std::uint8_t* from = x.data + n * x.image + h * x.row + first;
        for (int w = 0; w < x.w; ++w, from += x.pixel)
          for (int c = 0; c < count; ++c) row[c] += from[c];
        for (int c = 0; c < count; ++c) sums[c] += row[c];
      }
      for (int c = 0; c < count; ++c)
        y[n * x.c + first + c] =
            static_cast<float>(static_cast<double>(sums[c]) * scale[first + c] / pixels);
    }
  });
}

void round_to(const Grid& grid, float* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float steps = std::nearbyint(x[i] / grid.scale);
    // Adding 0 makes -0 a 0: a number of steps is an integer.
    x[i] = grid.scale * (std::min(std::max(steps, grid.lowest), grid.highest) + 0.0F);
  }
}

}  // namespace sqz
