#include "core/layers.h"

#include <algorithm>
#include <utility>

#include "core/squares.h"

namespace sqz {

namespace {

// From one thread's scratch memory of `bytes` to the next thread's. Threads write theirs at the same
// time, so a page of unused memory lies between them: no prefetcher that follows one thread's writes
// reaches the next thread's.
std::size_t apart(std::int64_t bytes) { return whole_lines(bytes) + 4096; }

}  // namespace

int pooled_size(int size, bool ceil_mode) {
  if (ceil_mode) return size < 2 ? 0 : (size - 2) / 2 + 1;
  return size < 3 ? 0 : (size - 3) / 2 + 1;
}

ConvArgs Conv::args(const View& x, const View& y) const {
  return {x, y, packed_.weight.data(), packed_.bias.data(), packed_.kh, packed_.kw, stride_, relu_};
}

void Conv::run(ThreadPool& pool, const View& x, Scratch, const View& y) const {
  const ConvArgs a = args(x, y);
  pool.run(table_.conv_f32_items(a),
           [&](std::int64_t begin, std::int64_t end, int) { table_.conv_f32(a, begin, end); });
}

// --- Squeeze -----------------------------------------------------------------------------------

std::size_t Squeeze::list_bytes() const { return apart(table_.squeeze_f32_lists()); }

Squeeze::Memory Squeeze::plan(Scratch& scratch, int, int, int, int threads) const {
  return {scratch.take<std::byte>(list_bytes() * threads)};
}

void Squeeze::run(ThreadPool& pool, const View& x, const Memory& memory, const View& y) const {
  const ConvArgs a = conv_.args(x, y);
  const std::size_t next = list_bytes();
  pool.run(table_.squeeze_f32_items(a), [&](std::int64_t begin, std::int64_t end, int thread) {
    table_.squeeze_f32(a, begin, end, memory.lists + thread * next);
  });
}

// --- Stem --------------------------------------------------------------------------------------

Stem::Stem(const Float32Kernels& table, const FloatWeights& w)
    : winograd_(table,
                pack_winograd({space_to_depth_weight(w.weight, w.out, w.in).data(), w.bias, w.out,
                               kPhases * w.in, 4, 4},
                              table.conv_nr),
                table.stem_tile, true) {}

Stem::Memory Stem::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  const View squares = take_map<float>(scratch, n, halved(h), halved(w), winograd_.packed().in);
  return {squares, winograd_.plan(scratch, n, output_size(h), output_size(w), threads)};
}

void Stem::run(ThreadPool& pool, const View& x, Scratch scratch, const View& y) const {
  const Memory memory = plan(scratch, x.n, x.h, x.w, pool.threads());
  const View& squares = memory.squares;
  gather_squares(pool, x, squares);
  const WinogradArgs a = winograd_.args(squares, y, memory.winograd);
  winograd_.run(pool, a, memory.winograd);
}

// --- Padded convolution ------------------------------------------------------------------------

namespace {

// Copies row `i`, counted over all images, to a map with adjacent pixels.
void copy_row(const View& x, const View& y, std::int64_t i) {
  const std::ptrdiff_t n = i / x.h, row = i % x.h;
  const float* from = x.data + n * x.image + row * x.row;
  float* to = y.data + n * y.image + row * y.row;
  if (x.pixel == x.c) {
    std::copy_n(from, static_cast<std::ptrdiff_t>(x.w) * x.c, to);
    return;
  }
  for (int column = 0; column < x.w; ++column, from += x.pixel, to += x.c)
    std::copy_n(from, x.c, to);
}

}  // namespace

PaddedConv::Memory PaddedConv::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  const View bordered = take_map<float>(scratch, n, h + 2, w + 2, packed().in);
  return {bordered, winograd_.plan(scratch, n, h, w, threads)};
}

View PaddedConv::prepare(const Memory& memory, int rows, int above) {
  return prepare_border(memory.bordered, rows, above);
}

void PaddedConv::run(ThreadPool& pool, const View& x, Scratch scratch, const View& y,
                     int above) const {
  const Memory memory = plan(scratch, y.n, y.h, y.w, pool.threads());
  const View copy = prepare(memory, x.h, above);
  pool.run(static_cast<std::int64_t>(x.n) * x.h, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) copy_row(x, copy, i);
  });
  winograd_.run(pool, args(memory, y), memory.winograd);
}

// --- Fire --------------------------------------------------------------------------------------

Fire::Fire(const Float32Kernels& table, Packed squeeze, Packed expand1, PackedCompact expand3,
           int tile)
    : table_(table),
      squeeze_(table, std::move(squeeze), true),
      expand1_(table, std::move(expand1), 1, true),
      expand3_(table, std::move(expand3), tile, true) {}

// The largest number of bands that a map is divided into. It is enough to balance the threads.
constexpr std::int64_t kBands = 64;

Fire::Memory Fire::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  const PaddedConv::Memory expand3 = expand3_.plan(scratch, n, h, w, threads);
  return {expand3, squeeze_.plan(scratch, n, h, w, threads)};
}

void Fire::run(ThreadPool& pool, const View& x, Scratch scratch, const View& y, int above) const {
  const Memory memory = plan(scratch, y.n, y.h, y.w, pool.threads());
  const View squeezed = PaddedConv::prepare(memory.expand3, x.h, above);
  squeeze_.run(pool, x, memory.squeeze, squeezed);
  const int split = expand1_.packed().out;
  const ConvArgs expand1_args =
      expand1_.args(inside(memory.expand3.bordered, 1), channel_slice(y, 0, split));
  const WinogradArgs expand3_args =
      expand3_.args(memory.expand3, channel_slice(y, split, expand3_.packed().out));
  const Winograd& winograd = expand3_.winograd();
  // The 1x1 expand and the input transform of the 3x3 expand both read only the squeezed map. A
  // single loop over bands of the map runs both. This saves a synchronization between them, and
  // each thread writes what it is likely to read next.
  const std::int64_t expand1_items = table_.conv_f32_items(expand1_args),
                     input_items = winograd.input_items(expand3_args);
  const std::int64_t bands = std::min(expand1_items, kBands);
  pool.run(bands, [&](std::int64_t begin, std::int64_t end, int) {
    table_.conv_f32(expand1_args, expand1_items * begin / bands, expand1_items * end / bands);
    winograd.input(expand3_args, input_items * begin / bands, input_items * end / bands);
  });
  winograd.output(pool, expand3_args, memory.expand3.winograd);
}

// --- Classifier and the rest -------------------------------------------------------------------

ClassifierArgs Classifier::args(const View& x, const Memory& memory, float* logits) const {
  const int border = (x.h + 2 * padding_) * (x.w + 2 * padding_) - x.h * x.w;
  return {x,           logits, packed_.weights(), packed_.bias.data(),
          packed_.out, border, memory.lists,      memory.values};
}

Classifier::Memory Classifier::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  const View x = contiguous_view<float>(nullptr, n, h, w, packed_.in);
  const ClassifierSizes sizes = table_.classifier_f32_sizes(args(x, {}, nullptr));
  std::int32_t* lists = scratch.take<std::int32_t>(sizes.lists);
  float* values = scratch.take<float>(sizes.values);
  if (!packed_.halves.data()) return {lists, values, nullptr, 0};
  const std::size_t next = apart(sizes.widened * sizeof(float)) / sizeof(float);
  return {lists, values, scratch.take<float>(next * threads), next};
}

void Classifier::run(ThreadPool& pool, const View& x, Scratch scratch, float* logits) const {
  const Memory memory = plan(scratch, x.n, x.h, x.w, pool.threads());
  const ClassifierArgs a = args(x, memory, logits);
  pool.run(table_.classifier_list_f32_items(a), [&](std::int64_t begin, std::int64_t end, int) {
    table_.classifier_list_f32(a, begin, end);
  });
  pool.run(table_.classifier_f32_items(a), [&](std::int64_t begin, std::int64_t end, int thread) {
    table_.classifier_f32(a, begin, end, memory.widened + thread * memory.next);
  });
}

void max_pool(const Float32Kernels& table, ThreadPool& pool, const View& x, const View& y) {
  const MaxPoolArgs a{x, y};
  pool.run(table.maxpool_f32_items(a),
           [&](std::int64_t begin, std::int64_t end, int) { table.maxpool_f32(a, begin, end); });
}

void add(const Float32Kernels& table, ThreadPool& pool, const View& a, const View& b,
         const View& y) {
  const AddArgs args{a, b, y};
  pool.run(table.add_f32_items(args),
           [&](std::int64_t begin, std::int64_t end, int) { table.add_f32(args, begin, end); });
}

}  // namespace sqz
