#include "core/f16_layers.h"

#include <algorithm>

#include "core/squares.h"

namespace sqz {

HalfConvArgs HalfConv::args(const HalfView& x, const HalfView& y) const {
  return {x, y, packed_.weight.data(), packed_.bias.data(), packed_.kh, packed_.kw, stride_, relu_};
}

HalfConv::Memory HalfConv::plan(Scratch& scratch, int, int, int, int threads) const {
  const HalfView x = contiguous_view<Half>(nullptr, 1, 1, 1, packed_.in);
  const std::size_t each = whole_lines(table_.conv_f16_scratch(args(x, x)));
  return {scratch.take<std::byte>(each * threads), each};
}

void HalfConv::run(ThreadPool& pool, const HalfView& x, const Memory& memory,
                   const HalfView& y) const {
  const HalfConvArgs a = args(x, y);
  pool.run(table_.conv_f16_items(a), [&](std::int64_t begin, std::int64_t end, int thread) {
    table_.conv_f16(a, begin, end, memory.of(thread));
  });
}

// --- Winograd ----------------------------------------------------------------------------------

HalfWinogradArgs HalfWinograd::args(const HalfView& x, const HalfView& y,
                                    const Memory& memory) const {
  return {x, y, packed_.weight.data(), packed_.bias.data(), memory.points, packed_.kh};
}

HalfWinograd::Memory HalfWinograd::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  const HalfView x = contiguous_view<Half>(nullptr, n, h, w, packed_.in);
  const HalfView y = contiguous_view<Half>(nullptr, n, h, w, packed_.out);
  const HalfWinogradArgs a = args(x, y, {});
  Half* points = scratch.take<Half>(table_.winograd_f16_points(a));
  // As in Winograd, a thread's memory is twice what it writes: the prefetcher that continues its
  // writes must not reach the next thread's.
  const std::size_t each = 2 * whole_lines(table_.winograd_f16_scratch(a));
  return {points, {scratch.take<std::byte>(each * threads), each}};
}

HalfView HalfWinograd::take_input(Scratch& scratch, int n, int h, int w) const {
  const auto covered = [taps = packed_.kh](int size) {
    const int tile = 7 - taps;  // see HalfWinogradArgs
    return (size + tile - 1) / tile * tile + taps - 1;
  };
  return take_map<Half>(scratch, n, covered(h), covered(w), packed_.in);
}

void HalfWinograd::output(ThreadPool& pool, const HalfWinogradArgs& a, const Memory& memory) const {
  pool.run(table_.winograd_output_f16_items(a),
           [&](std::int64_t begin, std::int64_t end, int thread) {
             table_.winograd_output_f16(a, begin, end, memory.scratch.of(thread));
           });
}

// --- Stem --------------------------------------------------------------------------------------

HalfStem::HalfStem(const Float16Kernels& table, const float* weight, const float* bias, int out,
                   int in)
    : winograd_(table, pack_winograd_f16({space_to_depth_weight(weight, out, in).data(), bias, out,
                                          kPhases * in, 4, 4},
                                         table.conv_nr)) {}

HalfStem::Memory HalfStem::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  const int rows = output_size(h), columns = output_size(w);
  const HalfView squares = winograd_.take_input(scratch, n, rows, columns);
  return {squares, winograd_.plan(scratch, n, rows, columns, threads)};
}

void HalfStem::run(ThreadPool& pool, const HalfView& x, Scratch scratch, const HalfView& y) const {
  const Memory memory = plan(scratch, x.n, x.h, x.w, pool.threads());
  gather_squares(pool, x, memory.squares);
  const HalfWinogradArgs a = winograd_.args(memory.squares, y, memory.winograd);
  pool.run(winograd_.input_items(a),
           [&](std::int64_t begin, std::int64_t end, int) { winograd_.input(a, begin, end); });
  winograd_.output(pool, a, memory.winograd);
}

// --- Fire --------------------------------------------------------------------------------------

namespace {

// The squeezed map is that of the network times this factor, so that the transform of the 3x3
// expand's input, which multiplies it by up to 28, stays far from the largest half, 65504. With the
// published networks, squeezed maps reach 2626. The factor is a power of two: it costs no accuracy.
constexpr float kSqueezed = 1.0F / 16;

}  // namespace

HalfFire::HalfFire(const Float16Kernels& table, const FloatWeights& squeeze,
                   const FloatWeights& expand1, const FloatWeights& expand3)
    : table_(table),
      squeeze_(table, pack_conv_f16(squeeze, table.conv_nr, {kSqueezed, kSqueezed}), 1, true),
      expand1_(table, pack_conv_f16(expand1, table.conv_nr, {1 / kSqueezed, 1}), 1, true),
      expand3_(table, pack_winograd_f16(expand3, table.conv_nr, {1 / kSqueezed, 1})) {}

// The largest number of bands that a map is divided into. It is enough to balance the threads.
constexpr std::int64_t kBands = 64;

HalfFire::Memory HalfFire::plan(Scratch& scratch, int n, int h, int w, int threads) const {
  const HalfView covered = expand3_.take_input(scratch, n, h, w);
  return {covered, squeeze_.plan(scratch, n, h, w, threads),
          expand1_.plan(scratch, n, h, w, threads), expand3_.plan(scratch, n, h, w, threads)};
}

void HalfFire::run(ThreadPool& pool, const HalfView& x, Scratch scratch, const HalfView& y,
                   int above) const {
  const Memory memory = plan(scratch, y.n, y.h, y.w, pool.threads());
  const HalfView bordered = corner_of(memory.covered, y.h + 2, y.w + 2);
  clear_beyond(memory.covered, bordered.h, bordered.w);
  const HalfView squeezed = prepare_border(bordered, x.h, above);
  squeeze_.run(pool, x, memory.squeeze, squeezed);
  const int split = expand1_.packed().out;
  const HalfConvArgs ones = expand1_.args(inside(bordered, 1), channel_slice(y, 0, split));
  const HalfWinogradArgs threes =
      expand3_.args(memory.covered, channel_slice(y, split, expand3_.packed().out), memory.expand3);
  // The 1x1 expand and the input transform of the 3x3 expand both read only the squeezed map, so one
  // loop over bands of the map runs both.
  const std::int64_t ones_items = table_.conv_f16_items(ones),
                     input_items = expand3_.input_items(threes);
  const std::int64_t bands = std::min(ones_items, kBands);
  pool.run(bands, [&](std::int64_t begin, std::int64_t end, int thread) {
    table_.conv_f16(ones, ones_items * begin / bands, ones_items * end / bands,
                    memory.expand1.of(thread));
    expand3_.input(threes, input_items * begin / bands, input_items * end / bands);
  });
  expand3_.output(pool, threes, memory.expand3);
}

// --- Classifier and the rest -------------------------------------------------------------------

HalfClassifierArgs HalfClassifier::args(const HalfView& x, const Memory& memory,
                                        float* logits) const {
  const int border = (x.h + 2 * padding_) * (x.w + 2 * padding_) - x.h * x.w;
  return {x,      logits, packed_.weight.data(), packed_.bias.data(), packed_.out,
          border, relu_,  memory.lists,          memory.values};
}

HalfClassifier::Memory HalfClassifier::plan(Scratch& scratch, int n, int h, int w, int) const {
  const HalfView x = contiguous_view<Half>(nullptr, n, h, w, packed_.in);
  const std::int64_t entries = table_.classifier_f16_entries(args(x, {}, nullptr));
  std::uint32_t* lists = scratch.take<std::uint32_t>(entries);
  return {lists, scratch.take<Half>(entries)};
}

void HalfClassifier::run(ThreadPool& pool, const HalfView& x, Scratch scratch,
                         float* logits) const {
  const HalfClassifierArgs a = args(x, plan(scratch, x.n, x.h, x.w, pool.threads()), logits);
  pool.run(table_.classifier_list_f16_items(a), [&](std::int64_t begin, std::int64_t end, int) {
    table_.classifier_list_f16(a, begin, end);
  });
  pool.run(table_.classifier_f16_items(a), [&](std::int64_t begin, std::int64_t end, int) {
    table_.classifier_f16(a, begin, end);
  });
}

void max_pool(const Float16Kernels& table, ThreadPool& pool, const HalfView& x, const HalfView& y) {
  const HalfPoolArgs a{x, y};
  pool.run(table.maxpool_f16_items(a),
           [&](std::int64_t begin, std::int64_t end, int) { table.maxpool_f16(a, begin, end); });
}

void add(const Float16Kernels& table, ThreadPool& pool, const HalfView& a, const HalfView& b,
         const HalfView& y) {
  const HalfAddArgs args{a, b, y};
  pool.run(table.add_f16_items(args),
           [&](std::int64_t begin, std::int64_t end, int) { table.add_f16(args, begin, end); });
}

void round_to_halves(const Float16Kernels& table, ThreadPool& pool, const View& x,
                     const HalfView& y) {
  const HalfRoundArgs a{x, y};
  pool.run(table.round_f16_items(a),
           [&](std::int64_t begin, std::int64_t end, int) { table.round_f16(a, begin, end); });
}

}  // namespace sqz
