#include "core/int8_layers.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sqz {

ByteConvArgs ByteConv::args(const ByteView& x, const ByteView& y) const {
  return {x,
          y,
          packed_.weight.data(),
          packed_.bias.data(),
          packed_.scale.data(),
          packed_.kh,
          packed_.kw,
          stride_,
          packed_.narrow};
}

ByteConv::Memory ByteConv::plan(Scratch& scratch, int, int, int, int threads) const {
  const ByteView x = contiguous_view<std::uint8_t>(nullptr, 1, 1, 1, packed_.in);
  const std::size_t each = whole_lines(table_.conv_i8_scratch(args(x, x)));
  return {scratch.take<std::byte>(each * threads), each};
}

void ByteConv::run(ThreadPool& pool, const ByteView& x, Scratch scratch, const ByteView& y) const {
  const Memory memory = plan(scratch, x.n, x.h, x.w, pool.threads());
  const ByteConvArgs a = args(x, y);
  pool.run(table_.conv_i8_items(a), [&](std::int64_t begin, std::int64_t end, int thread) {
    compute(a, begin, end, memory, thread);
  });
}

ByteFire::ByteFire(const Int8Kernels& table, PackedBytes squeeze, PackedBytes expand1,
                   PackedBytes expand3, std::optional<PackedBytes> winograd)
    : table_(table),
      squeeze_(table, std::move(squeeze), 1),
      expand1_(table, std::move(expand1), 1),
      expand3_(table, std::move(expand3), 1) {
  if (winograd) winograd_.emplace(table, std::move(*winograd));
}

ByteFire::Memory ByteFire::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  Memory memory = {};
  const auto part = winograd_ ? winograd_->part_of(h, w) : ByteWinograd::Part{};
  memory.bordered = take_map<std::uint8_t>(
      scratch, n, std::max(h, ByteWinograd::whole_tiles(part.h)) + 2,
      std::max(w, ByteWinograd::whole_tiles(part.w)) + 2, expand3_.packed().in);
  memory.bordered.h = h + 2, memory.bordered.w = w + 2;
  if (winograd_) memory.winograd = winograd_->plan(scratch, n, part.h, part.w, threads);
  memory.squeeze = squeeze_.plan(scratch, n, h, w, threads);
  memory.expand1 = expand1_.plan(scratch, n, h, w, threads);
  memory.expand3 = expand3_.plan(scratch, n, h, w, threads);
  return memory;
}

namespace {

// The outputs of `y` from `row` and `column` on, and the inputs of a padded 3x3 convolution that they
// need.
std::pair<ByteView, ByteView> rest_of(const ByteView& bordered, const ByteView& y, int row,
                                      int column) {
  ByteView x = rows_of(bordered, row, bordered.h - row), rest = rows_of(y, row, y.h - row);
  x.data += column * x.pixel, x.w -= column;
  rest.data += column * rest.pixel, rest.w -= column;
  return {x, rest};
}

}  // namespace

// The largest number of parts into which a map is divided. It is enough to balance the threads.
constexpr std::int64_t kBands = 64;

void ByteFire::run(ThreadPool& pool, const ByteView& x, Scratch scratch, const ByteView& y,
                   int above) const {
  const Memory memory = plan(scratch, y.n, y.h, y.w, pool.threads());
  const ByteView squeezed = prepare_border(memory.bordered, x.h, above);
  const ByteConvArgs squeeze = squeeze_.args(x, squeezed);
  pool.run(table_.conv_i8_items(squeeze), [&](std::int64_t begin, std::int64_t end, int thread) {
    squeeze_.compute(squeeze, begin, end, memory.squeeze, thread);
  });
  const int split = expand1_.packed().out;
  const ByteConvArgs ones = expand1_.args(inside(memory.bordered, 1), channel_slice(y, 0, split));
  const ByteView right = channel_slice(y, split, expand3_.packed().out);
  // Both expands, or the first part of Winograd's algorithm, read the same pixels, so one loop runs
  // both.
  const std::int64_t items = table_.conv_i8_items(ones);
  if (!winograd_) {
    const ByteConvArgs threes = expand3_.args(memory.bordered, right);
    pool.run(items, [&](std::int64_t begin, std::int64_t end, int thread) {
      expand1_.compute(ones, begin, end, memory.expand1, thread);
      expand3_.compute(threes, begin, end, memory.expand3, thread);
    });
    return;
  }
  const auto part = winograd_->part_of(y.h, y.w);
  ByteView tiled = rows_of(right, 0, part.h);
  tiled.w = part.w;
  const ByteWinogradArgs threes = winograd_->args(memory.bordered, tiled, memory.winograd);
  // The rest: the columns on the right, and the rows below the tiles.
  const auto [beside_x, beside_y] = rest_of(memory.bordered, right, 0, part.w);
  auto [below_x, below_y] = rest_of(memory.bordered, right, part.h, 0);
  below_x.w = part.w + 2, below_y.w = part.w;
  const ByteConvArgs beside = expand3_.args(beside_x, beside_y),
                     below = expand3_.args(below_x, below_y);
  const std::int64_t tiles = winograd_->input_items(threes), bands = std::min(items, kBands);
  const std::int64_t columns = table_.conv_i8_items(beside), rows = table_.conv_i8_items(below);
  pool.run(bands, [&](std::int64_t begin, std::int64_t end, int thread) {
    const auto first = [&](std::int64_t all) { return all * begin / bands; };
    const auto last = [&](std::int64_t all) { return all * end / bands; };
    expand1_.compute(ones, first(items), last(items), memory.expand1, thread);
    winograd_->input(threes, first(tiles), last(tiles));
    expand3_.compute(beside, first(columns), last(columns), memory.expand3, thread);
    expand3_.compute(below, first(rows), last(rows), memory.expand3, thread);
  });
  winograd_->output(pool, threes, memory.winograd);
}

// The kernel stores no bytes, so that all pixels may have the same place.
ByteConvArgs SummedConv::args(const ByteView& x) const {
  return conv_.args(x, {x.data, x.n, x.h, x.w, packed().out, 0, 0, 0});
}

std::size_t SummedConv::sums_each() const {
  const std::size_t pixels = static_cast<std::size_t>(kItems) * conv_.tile();
  return whole_lines(pixels * packed().out * sizeof(std::int32_t)) / sizeof(std::int32_t);
}

SummedConv::Memory SummedConv::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  std::int32_t* sums = scratch.take<std::int32_t>(sums_each() * threads);
  return {sums, conv_.plan(scratch, n, h, w, threads)};
}

ByteSum::ByteSum(const Int8Kernels& table, SumFactors factors, std::optional<PackedBytes> bypass)
    : table_(table), factors_(std::move(factors)) {
  if (bypass) bypass_.emplace(table, std::move(*bypass));
}

SummedConv::Memory ByteSum::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  return bypass_ ? bypass_->plan(scratch, n, h, w, threads) : SummedConv::Memory{};
}

void ByteSum::run(ThreadPool& pool, const ByteView& x, Scratch scratch, const ByteView& y) const {
  const ByteSumArgs a{x,
                      nullptr,
                      y,
                      factors_.fire.data(),
                      factors_.around.data(),
                      factors_.zero,
                      factors_.around_zero};
  if (!bypass_) {
    pool.run(static_cast<std::int64_t>(y.n) * y.h * y.w,
             [&](std::int64_t begin, std::int64_t end, int) { table_.add_i8(a, begin, end); });
    return;
  }
  const SummedConv::Memory memory = plan(scratch, x.n, x.h, x.w, pool.threads());
  bypass_->run(pool, x, memory, [&](std::int64_t first, std::int64_t stop, const auto* sums) {
    ByteSumArgs own = a;
    own.sums = sums;
    table_.add_i8(own, first, stop);
  });
}

void ByteOutput::run(ThreadPool& pool, const ByteView& x, Scratch scratch, float* y) const {
  const SummedConv::Memory memory = plan(scratch, x.n, x.h, x.w, pool.threads());
  const int channels = packed().out;
  const float* scale = packed().scale.data();
  conv_.run(pool, x, memory, [&](std::int64_t first, std::int64_t stop, const auto* sums) {
    float* to = y + first * channels;
    for (; first < stop; ++first)
      for (int c = 0; c < channels; ++c) *to++ = static_cast<float>(*sums++) * scale[c];
  });
}

ByteClassifierArgs ByteClassifier::args(const ByteView& x, const Memory& memory,
                                        float* logits) const {
  const int border = (x.h + 2 * padding_) * (x.w + 2 * padding_) - x.h * x.w;
  const std::int64_t largest = std::max<std::int64_t>(1, packed_.largest_sum);
  return {x,
          logits,
          packed_.weight.data(),
          packed_.bias.data(),
          packed_.scale.data(),
          packed_.out,
          border,
          border_sums_.data(),
          std::numeric_limits<std::int32_t>::max() / largest,
          relu_,
          memory.lists,
          memory.words};
}

ByteClassifier::Memory ByteClassifier::plan(Scratch& scratch, int n, int h, int w, int) const {
  const ByteView x = contiguous_view<std::uint8_t>(nullptr, n, h, w, packed_.in);
  const std::int64_t words = table_.classifier_i8_words(args(x, {}, nullptr));
  std::int32_t* lists = scratch.take<std::int32_t>(words);
  return {lists, scratch.take<std::uint32_t>(words)};
}

void ByteClassifier::run(ThreadPool& pool, const ByteView& x, Scratch scratch,
                         float* logits) const {
  const ByteClassifierArgs a = args(x, plan(scratch, x.n, x.h, x.w, pool.threads()), logits);
  pool.run(table_.classifier_list_i8_items(a), [&](std::int64_t begin, std::int64_t end, int) {
    table_.classifier_list_i8(a, begin, end);
  });
  pool.run(table_.classifier_i8_items(a),
           [&](std::int64_t begin, std::int64_t end, int) { table_.classifier_i8(a, begin, end); });
}

void max_pool(const Int8Kernels& table, ThreadPool& pool, const ByteView& x, const ByteView& y) {
  const BytePoolArgs a{x, y};
  pool.run(table.maxpool_u8_items(a),
           [&](std::int64_t begin, std::int64_t end, int) { table.maxpool_u8(a, begin, end); });
}

}  // namespace sqz
