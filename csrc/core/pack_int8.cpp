#include "core/pack_int8.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <vector>

namespace sqz {
namespace {

constexpr int kNone = -1;

// The weights of each input word of a run, as indices into the run or kNone. The last word (`group`
// may also be several words) is filled with zeros; or, if `in_place`, it has the last weights of the
// run, some of them as zeros because the word before has them too.
std::vector<int> word_taps(int run, int group, bool in_place) {
  std::vector<int> taps;
  for (int first = 0; first < run; first += group) {
    const int start = in_place ? std::min(first, run - group) : first;
    for (int k = start; k < start + group; ++k) taps.push_back(k < first || k >= run ? kNone : k);
  }
  return taps;
}

std::vector<int> word_taps(const IntegerWeights& w, const Int8Kernels& table, bool listed) {
  const int group = table.group, load = group * table.words, run = w.kw * w.in;
  if (listed) return word_taps(run, table.list_group, false);
  if (joins_runs(table.joins, load, run)) return word_taps(w.kh * run, load, false);
  const bool ends = joins_ends(w.kh, run);
  std::vector<int> taps;
  for (int ky = 0; ky < w.kh; ++ky)
    for (int tap : word_taps(ends ? run - 1 : run, group, true))
      taps.push_back(tap == kNone ? kNone : ky * run + tap);
  if (ends)
    for (int tap : word_taps(w.kh, group, false))
      taps.push_back(tap == kNone ? kNone : tap * run + run - 1);
  return taps;
}

// The largest sum of output channel `o`, for any input, as an absolute value.
std::int64_t largest_sum(const IntegerWeights& w, std::size_t depth, int o) {
  std::int64_t positive = 0, negative = 0;
  for (std::size_t k = 0; k < depth; ++k) {
    const int weight = w.weight[o * depth + k];
    (weight > 0 ? positive : negative) += 255 * std::abs(weight);
  }
  return std::max(positive, negative) + std::abs(static_cast<std::int64_t>(w.bias[o]));
}

// `offset` is added to each weight.
template <typename T>
void pack_weights(const IntegerWeights& w, const std::vector<int>& taps, int group, int block,
                  int all, int offset, T* packed) {
  const int depth = w.in * w.kh * w.kw;
  for (int first = 0; first < all; first += block) {
    const int channels = std::min(block, all - first);
    for (std::size_t word = 0; word < taps.size(); word += group)
      for (int c = 0; c < channels; ++c)
        for (int i = 0; i < group; ++i) {
          const int o = first + c, tap = taps[word + i];
          // From [ky][kx][ci] to the file's order, [ci][ky][kx].
          const int ci = tap % w.in, position = tap / w.in;
          const int weight =
              o < w.out && tap != kNone
                  ? w.weight[static_cast<std::size_t>(o) * depth + ci * w.kh * w.kw + position]
                  : 0;
          *packed++ = static_cast<T>(weight + offset);
        }
  }
}

// Adds to each bias what the kernels subtract with `offset` from each byte. If it does not fit into 32
// bits, neither do the products, and both wrap around: their sum is right.
void add_offset(const IntegerWeights& w, int offset, std::int32_t* bias) {
  const std::size_t depth = static_cast<std::size_t>(w.in) * w.kh * w.kw;
  for (int o = 0; o < w.out; ++o) {
    std::int64_t total = 0;
    for (std::size_t k = 0; k < depth; ++k) total += w.weight[o * depth + k];
    bias[o] = static_cast<std::int32_t>(static_cast<std::uint32_t>(bias[o]) +
                                        static_cast<std::uint32_t>(total * offset));
  }
}

// All but the weights, with space for `all` output channels.
PackedBytes start_packing(const IntegerWeights& w, int all) {
  PackedBytes packed;
  packed.out = w.out, packed.in = w.in, packed.kh = w.kh, packed.kw = w.kw;
  packed.bias = Array<std::int32_t>(all);
  packed.scale = Array<float>(all);
  std::copy_n(w.bias, w.out, packed.bias.data());
  std::copy_n(w.scale, w.out, packed.scale.data());
  packed.narrow = true;
  for (int o = 0; o < w.out; ++o) {
    const std::int64_t largest = largest_sum(w, static_cast<std::size_t>(w.in) * w.kh * w.kw, o);
    packed.largest_sum = std::max(packed.largest_sum, largest);
    if (!(std::fabs(static_cast<float>(largest) * w.scale[o]) < 32000)) packed.narrow = false;
  }
  return packed;
}

}  // namespace

std::optional<PackedBytes> pack_winograd(const Int8Kernels& table, const IntegerWeights& w) {
  constexpr int kTaps = 9, kFactor = 576, kSumFactor = 64;
  constexpr std::int64_t kLimit = 1 << 25;
  if (!table.winograd_output_i8 || w.kh * w.kw != kTaps || w.in % 16) return {};
  const int block = table.point_block, group = table.point_group;
  const int all = (w.out + block - 1) / block * block;
  PackedBytes packed = start_packing(w, all);
  if (packed.largest_sum >= kLimit) return {};
  packed.weight = Buffer(static_cast<std::size_t>(all) * w.in * kTaps);
  for (int o = 0; o < w.out; ++o) {
    const auto bias = static_cast<std::uint32_t>(w.bias[o]) * kFactor;
    packed.bias.data()[o] = static_cast<std::int32_t>(bias);
    packed.scale.data()[o] /= kSumFactor;
  }
  auto* to = static_cast<std::int8_t*>(packed.weight.data());
  for (int first = 0; first < all; first += block)
    for (int ci = 0; ci < w.in; ci += group)
      for (int tap = 0; tap < kTaps; ++tap)
        for (int o = first; o < first + block; ++o)
          for (int i = ci; i < ci + group; ++i)
            *to++ =
                o < w.out ? w.weight[(static_cast<std::size_t>(o) * w.in + i) * kTaps + tap] : 0;
  return packed;
}

PackedBytes pack_int8(const Int8Kernels& table, const IntegerWeights& w, Reader reader) {
  const bool listed = reader == Reader::classifier;
  const int block = (listed ? table.list_registers : table.registers) * table.sums;
  const int whole = listed ? block : table.sums;
  const int all = (w.out + whole - 1) / whole * whole;
  const int group = listed ? table.list_group : table.group;
  const bool bytes = group != 2;
  const std::vector<int> taps = word_taps(w, table, listed);
  PackedBytes packed = start_packing(w, all);
  if (packed.largest_sum > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("the sums of this layer may need more than 32 bits");
  packed.weight = Buffer(taps.size() * all * (bytes ? 1 : 2));
  if (!listed && table.input_offset) add_offset(w, table.input_offset, packed.bias.data());
  const int offset = listed ? table.weight_offset : 0;
  if (bytes)
    pack_weights(w, taps, group, block, all, offset,
                 static_cast<std::int8_t*>(packed.weight.data()));
  else
    pack_weights(w, taps, group, block, all, offset,
                 static_cast<std::int16_t*>(packed.weight.data()));
  return packed;
}

Array<std::int32_t> border_sums(const IntegerWeights& w, const std::uint8_t* border) {
  Array<std::int32_t> sums(w.out);
  for (int o = 0; o < w.out; ++o) {
    sums.data()[o] = w.bias[o];
    for (int i = 0; i < w.in; ++i) sums.data()[o] += border[i] * w.weight[o * w.in + i];
  }
  return sums;
}

void quantize_weights(const float* weight, const float* input_scale, const float* weight_scale,
                      int out, int in, int taps, std::int8_t* quantized) {
  for (int o = 0; o < out; ++o)
    for (int i = 0; i < in; ++i)
      for (int t = 0; t < taps; ++t, ++weight) {
        const float scaled = *weight * input_scale[i] / weight_scale[o];
        const float clipped = std::min(std::max(scaled, -127.0f), 127.0f);
        // Adding 1.5 * 2^23 rounds to the nearest integer, to the even one if two are equally near.
        const float shifted = clipped + 12582912.0f;
        *quantized++ = static_cast<std::int8_t>(shifted - 12582912.0f);
      }
}

}  // namespace sqz
