#include "core/pack.h"

#include <array>
#include <vector>

#include "sqz/winograd.h"

namespace sqz {
namespace {

// G of Winograd's algorithm: row j is (1, p, p^2) / product of (p - other points), and (0, 0, 1)
// for infinity.
std::vector<std::array<double, 3>> filter_transform(int tile) {
  std::vector<double> points;
  if (winograd::has_zero(tile)) points.push_back(0.0);
  for (int i = 0; i < winograd::pairs(tile); ++i) {
    points.push_back(winograd::kPairPoints[i]);
    points.push_back(-winograd::kPairPoints[i]);
  }
  std::vector<std::array<double, 3>> rows;
  for (double p : points) {
    double scale = 1.0;
    for (double q : points)
      if (q != p) scale /= p - q;
    rows.push_back({scale, scale * p, scale * p * p});
  }
  rows.push_back({0.0, 0.0, 1.0});
  return rows;
}

}  // namespace

Packed pack_conv(const float* weight, const float* bias, int out, int in, int kh, int kw, int nr) {
  const std::size_t blocks = (static_cast<std::size_t>(out) + nr - 1) / nr;
  const std::size_t taps = static_cast<std::size_t>(kh) * kw, depth = taps * in;
  Packed p{Buffer(blocks * depth * nr), Buffer(blocks * nr), out, in, kh, kw};
  float *w = p.weight.data(), *b = p.bias.data();
  for (std::size_t o = 0; o < static_cast<std::size_t>(out); ++o) {
    const std::size_t block = o / nr, lane = o % nr;
    b[o] = bias[o];
    for (std::size_t t = 0; t < taps; ++t)
      for (std::size_t i = 0; i < static_cast<std::size_t>(in); ++i)
        w[(block * depth + t * in + i) * nr + lane] = weight[(o * in + i) * taps + t];
  }
  return p;
}

Packed pack_winograd(const float* weight, const float* bias, int out, int in, int tile, int nr) {
  const auto g = filter_transform(tile);
  const std::size_t blocks = (static_cast<std::size_t>(out) + nr - 1) / nr;
  const std::size_t side = g.size(), depth = side * side * in;
  Packed p{Buffer(blocks * depth * nr), Buffer(blocks * nr), out, in, 3, 3};
  float *u = p.weight.data(), *b = p.bias.data();
  for (std::size_t o = 0; o < static_cast<std::size_t>(out); ++o) {
    b[o] = bias[o];
    for (std::size_t i = 0; i < static_cast<std::size_t>(in); ++i) {
      const float* w = weight + (o * in + i) * 9;
      float* to = u + (o / nr * depth + i) * nr + o % nr;
      for (std::size_t r = 0; r < side; ++r) {
        double half[3];  // row r of G times the kernel
        for (int k = 0; k < 3; ++k)
          half[k] = g[r][0] * w[k] + g[r][1] * w[3 + k] + g[r][2] * w[6 + k];
        for (std::size_t c = 0; c < side; ++c)
          to[(r * side + c) * in * nr] =
              static_cast<float>(half[0] * g[c][0] + half[1] * g[c][1] + half[2] * g[c][2]);
      }
    }
  }
  return p;
}

}  // namespace sqz
