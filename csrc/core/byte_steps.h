// What networks need whose files round maps of bytes again, or round logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/threadpool.h"
#include "sqz/views.h"

namespace sqz {

constexpr int kByteValues = 256;

// What each byte becomes: one table for all channels, or one after another for each channel. If it
// can be, a table is computed instead of looked up: min((x * factor + start) >> 16, limit).
class ByteTables {
 public:
  ByteTables(const std::uint8_t* entries, bool by_channel);

  void recode_pixel(const std::uint8_t* x, std::uint8_t* y, int channels) const;

  struct Line {
    std::uint16_t factor, start;  // `start` is even
    std::uint8_t limit;
  };

 private:
  const std::uint8_t* entries_;
  std::ptrdiff_t step_;
  std::optional<Line> line_;
};

// y = table[x]. `y` may be `x`, or have one more pixel on each side, which becomes 0.
void recode(ThreadPool& pool, const ByteTables& tables, const ByteView& x, const ByteView& y);

// y[n][c] = scale[c] * (sum of x[n][..][c] + border * edge[c]) / (h*w + border): the mean of a map
// with `border` pixels around it that hold the bytes `edge`. The sum is exact, the rest is computed
// in float64 and then rounded to float32.
void mean_of_bytes(ThreadPool& pool, const ByteView& x, const std::uint8_t* edge, int border,
                   const float* scale, float* y);

// Multiples of `scale`, from the `lowest` to the `highest`.
struct Grid {
  float scale, lowest, highest;
};

// x = grid.scale * min(max(round(x / grid.scale), lowest), highest), all in float32; halves are
// rounded to even.
void round_to(const Grid& grid, float* x, std::int64_t count);

}  // namespace sqz
