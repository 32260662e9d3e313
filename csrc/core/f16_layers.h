// The layers of a SqueezeNet in half precision; see layers.h for the rules, and sqz/f16.h for the
// arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/maps.h"
#include "core/pack.h"
#include "core/scratch.h"
#include "core/threadpool.h"
#include "sqz/f16.h"

namespace sqz {

// The scratch memory of all threads.
struct ThreadsScratch {
  std::byte* data;
  std::size_t each;  // bytes

  std::byte* of(int thread) const { return data + thread * each; }
};

// Convolution without padding. For a padded convolution, the input includes a border of zeros.
class HalfConv {
 public:
  HalfConv(const Float16Kernels& table, PackedHalves packed, int stride, bool relu)
      : table_(table), packed_(std::move(packed)), stride_(stride), relu_(relu) {}

  const PackedHalves& packed() const { return packed_; }
  int output_size(int size, int kernel) const {
    return size < kernel ? 0 : (size - kernel) / stride_ + 1;
  }
  HalfConvArgs args(const HalfView& x, const HalfView& y) const;
  using Memory = ThreadsScratch;
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const HalfView& x, const Memory& memory, const HalfView& y) const;
  void run(ThreadPool& pool, const HalfView& x, Scratch scratch, const HalfView& y) const {
    run(pool, x, plan(scratch, x.n, x.h, x.w, pool.threads()), y);
  }

 private:
  const Float16Kernels& table_;
  PackedHalves packed_;
  int stride_;
  bool relu_;
};

// Convolution with stride 1 and ReLU by Winograd's algorithm. For a padded convolution, the input
// includes a border of zeros.
class HalfWinograd {
 public:
  // `packed` comes from pack_winograd_f16, with filters of 3 x 3 or 4 x 4 taps.
  HalfWinograd(const Float16Kernels& table, PackedHalves packed)
      : table_(table), packed_(std::move(packed)) {}

  const PackedHalves& packed() const { return packed_; }

  struct Memory {
    Half* points;
    ThreadsScratch scratch;
  };
  // The memory for n outputs of h x w.
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  // A map for the input of n outputs of h x w, which covers whole tiles.
  HalfView take_input(Scratch& scratch, int n, int h, int w) const;
  HalfWinogradArgs args(const HalfView& x, const HalfView& y, const Memory& memory) const;

  // All items of input() come before output().
  std::int64_t input_items(const HalfWinogradArgs& a) const {
    return table_.winograd_input_f16_items(a);
  }
  void input(const HalfWinogradArgs& a, std::int64_t begin, std::int64_t end) const {
    table_.winograd_input_f16(a, begin, end);
  }
  void output(ThreadPool& pool, const HalfWinogradArgs& a, const Memory& memory) const;

 private:
  const Float16Kernels& table_;
  PackedHalves packed_;
};

// The 7x7 stem with stride 2 and ReLU, by Winograd's algorithm as Stem in layers.h.
class HalfStem {
 public:
  // `weight` is out x in x 7 x 7.
  HalfStem(const Float16Kernels& table, const float* weight, const float* bias, int out, int in);

  int inputs() const { return winograd_.packed().in / 4; }
  int outputs() const { return winograd_.packed().out; }
  static int output_size(int size) { return size < 7 ? 0 : (size - 7) / 2 + 1; }

  struct Memory {
    HalfView squares;
    HalfWinograd::Memory winograd;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const HalfView& x, Scratch scratch, const HalfView& y) const;

 private:
  HalfWinograd winograd_;
};

// A 1x1 squeeze, then a 1x1 expand and a 3x3 expand. Each expand writes its own channels of the
// output. `x` may be a band of a map, see PaddedConv.
class HalfFire {
 public:
  HalfFire(const Float16Kernels& table, const FloatWeights& squeeze, const FloatWeights& expand1,
           const FloatWeights& expand3);

  int inputs() const { return squeeze_.packed().in; }
  int outputs() const { return expand1_.packed().out + expand3_.packed().out; }

  struct Memory {
    HalfView covered;  // the squeezed map with its border, and what its last tiles cover besides
    HalfConv::Memory squeeze, expand1;
    HalfWinograd::Memory expand3;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const HalfView& x, Scratch scratch, const HalfView& y,
           int above = 0) const;

 private:
  const Float16Kernels& table_;
  HalfConv squeeze_, expand1_;
  HalfWinograd expand3_;
};

// 1x1 convolution, ReLU and global average. `padding` is the padding of the 1x1 convolution.
class HalfClassifier {
 public:
  HalfClassifier(const Float16Kernels& table, PackedHalves packed, int padding, bool relu)
      : table_(table), packed_(std::move(packed)), padding_(padding), relu_(relu) {}

  const PackedHalves& packed() const { return packed_; }
  struct Memory {
    std::uint32_t* lists;
    Half* values;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  // logits: x.n rows of packed().out floats.
  void run(ThreadPool& pool, const HalfView& x, Scratch scratch, float* logits) const;

 private:
  HalfClassifierArgs args(const HalfView& x, const Memory& memory, float* logits) const;

  const Float16Kernels& table_;
  PackedHalves packed_;
  int padding_;
  bool relu_;
};

void max_pool(const Float16Kernels& table, ThreadPool& pool, const HalfView& x, const HalfView& y);
void add(const Float16Kernels& table, ThreadPool& pool, const HalfView& a, const HalfView& b,
         const HalfView& y);
void round_to_halves(const Float16Kernels& table, ThreadPool& pool, const View& x,
                     const HalfView& y);

}  // namespace sqz
