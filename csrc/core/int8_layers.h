// The layers of a SqueezeNet on bytes; see layers.h for the rules, and sqz/int8.h for the arithmetic.
#pragma once

#include <optional>

#include "core/byte_winograd.h"
#include "core/maps.h"
#include "core/pack_int8.h"
#include "core/scratch.h"
#include "core/threadpool.h"

namespace sqz {

// Convolution without padding. For a padded convolution, the input includes a border.
class ByteConv {
 public:
  ByteConv(const Int8Kernels& table, PackedBytes packed, int stride)
      : table_(table), packed_(std::move(packed)), stride_(stride) {}

  const PackedBytes& packed() const { return packed_; }
  int output_size(int size, int kernel) const {
    return size < kernel ? 0 : (size - kernel) / stride_ + 1;
  }
  ByteConvArgs args(const ByteView& x, const ByteView& y) const;

  // The scratch memory of all threads.
  struct Memory {
    std::byte* scratch;
    std::size_t each;  // bytes
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const ByteView& x, Scratch scratch, const ByteView& y) const;
  int tile() const { return table_.pixels; }  // pixels of an item
  // Items of one run, on one thread.
  void compute(const ByteConvArgs& a, std::int64_t begin, std::int64_t end, const Memory& memory,
               int thread) const {
    table_.conv_i8(a, begin, end, memory.scratch + thread * memory.each);
  }

  // Their sums, see conv_sums_i8.
  void compute_sums(const ByteConvArgs& a, std::int64_t begin, std::int64_t end,
                    const Memory& memory, int thread, std::int32_t* sums) const {
    table_.conv_sums_i8(a, begin, end, memory.scratch + thread * memory.each, sums);
  }

 private:
  const Int8Kernels& table_;
  PackedBytes packed_;
  int stride_;
};

// A 1x1 squeeze, then a 1x1 expand and a 3x3 expand. Each expand writes its own channels of the
// output. `expand3` is packed for either of its kernels, see Reader::winograd. `x` may be a band of a map, see PaddedConv.
class ByteFire {
 public:
  ByteFire(const Int8Kernels& table, PackedBytes squeeze, PackedBytes expand1, PackedBytes expand3);

  int inputs() const { return squeeze_.packed().in; }
  int outputs() const { return expand1_.packed().out + threes().out; }

  struct Memory {
    ByteView bordered;  // the squeezed map with its border
    ByteConv::Memory squeeze, expand1, expand3;
    ByteWinograd::Memory winograd;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const ByteView& x, Scratch scratch, const ByteView& y,
           int above = 0) const;

 private:
  const PackedBytes& threes() const { return winograd_ ? winograd_->packed() : expand3_->packed(); }

  const Int8Kernels& table_;
  ByteConv squeeze_, expand1_;
  // One of the two computes the 3x3 expand.
  std::optional<ByteConv> expand3_;
  std::optional<ByteWinograd> winograd_;
};

// How a bypass is added to the output of a fire with `channels` channels, see ByteSumArgs.
struct SumFactors {
  Array<float> fire, around;
  int channels, zero, around_zero;
};

// Adds a bypass to the output of a fire, in place: the fire's input, or a 1x1 convolution of it.
class ByteSum {
 public:
  ByteSum(const Int8Kernels& table, SumFactors factors, std::optional<PackedBytes> bypass);

  int channels() const { return factors_.channels; }
  int inputs() const { return bypass_ ? bypass_->packed().in : channels(); }

  // The sums of a group of pixels, and the scratch memory of the convolution, of all threads.
  struct Memory {
    std::int32_t* sums;
    ByteConv::Memory conv;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const ByteView& x, Scratch scratch, const ByteView& y) const;

 private:
  std::size_t sums_each() const;

  const Int8Kernels& table_;
  SumFactors factors_;
  std::optional<ByteConv> bypass_;
};

// 1x1 convolution, ReLU and global average. `padding` is the padding of the 1x1 convolution.
class ByteClassifier {
 public:
  // border_sums: see core/pack_int8.h.
  ByteClassifier(const Int8Kernels& table, PackedBytes packed, Array<std::int32_t> border_sums,
                 int padding, bool relu)
      : table_(table),
        packed_(std::move(packed)),
        border_sums_(std::move(border_sums)),
        padding_(padding),
        relu_(relu) {}

  const PackedBytes& packed() const { return packed_; }
  struct Memory {
    std::int32_t* lists;
    std::uint32_t* words;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  // logits: x.n rows of packed().out floats.
  void run(ThreadPool& pool, const ByteView& x, Scratch scratch, float* logits) const;

 private:
  ByteClassifierArgs args(const ByteView& x, const Memory& memory, float* logits) const;

  const Int8Kernels& table_;
  PackedBytes packed_;
  Array<std::int32_t> border_sums_;
  int padding_;
  bool relu_;
};

void max_pool(const Int8Kernels& table, ThreadPool& pool, const ByteView& x, const ByteView& y);

}  // namespace sqz
