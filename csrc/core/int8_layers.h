// The layers of a SqueezeNet on bytes; see layers.h for the rules, and sqz/int8.h for the arithmetic.
#pragma once

#include <algorithm>
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
  std::int64_t items(const ByteConvArgs& a) const { return table_.conv_i8_items(a); }
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
// output. The 3x3 expand is computed by Winograd's algorithm, but for edges of the map, if it is packed
// for it. `x` may be a band of a map, see PaddedConv.
class ByteFire {
 public:
  ByteFire(const Int8Kernels& table, PackedBytes squeeze, PackedBytes expand1, PackedBytes expand3,
           std::optional<PackedBytes> winograd);

  int inputs() const { return squeeze_.packed().in; }
  int outputs() const { return expand1_.packed().out + expand3_.packed().out; }

  struct Memory {
    ByteView bordered;  // the squeezed map with its border
    ByteConv::Memory squeeze, expand1, expand3;
    ByteWinograd::Memory winograd;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const ByteView& x, Scratch scratch, const ByteView& y,
           int above = 0) const;

 private:
  const Int8Kernels& table_;
  ByteConv squeeze_, expand1_, expand3_;
  std::optional<ByteWinograd> winograd_;
};

// A 1x1 convolution whose sums are used as they are, those of a few items at a time, while the first
// cache has them.
class SummedConv {
 public:
  SummedConv(const Int8Kernels& table, PackedBytes packed) : conv_(table, std::move(packed), 1) {}

  const PackedBytes& packed() const { return conv_.packed(); }

  // The sums of these items, and the scratch memory of the convolution, of all threads.
  struct Memory {
    std::int32_t* sums = nullptr;
    ByteConv::Memory conv{};
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;

  // Calls use(first, stop, sums) with the sums of pixels [first, stop), until all have been used.
  template <typename Use>
  void run(ThreadPool& pool, const ByteView& x, const Memory& memory, const Use& use) const {
    const ByteConvArgs a = args(x);
    const std::int64_t tile = conv_.tile(), pixels = static_cast<std::int64_t>(x.n) * x.h * x.w;
    pool.run(conv_.items(a), [&](std::int64_t begin, std::int64_t end, int thread) {
      std::int32_t* sums = memory.sums + thread * sums_each();
      for (; begin < end; begin += kItems) {
        const std::int64_t stop = std::min<std::int64_t>(begin + kItems, end);
        conv_.compute_sums(a, begin, stop, memory.conv, thread, sums);
        use(begin * tile, std::min(stop * tile, pixels), sums);
      }
    });
  }

 private:
  static constexpr int kItems = 4;

  ByteConvArgs args(const ByteView& x) const;
  std::size_t sums_each() const;

  ByteConv conv_;
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

  SummedConv::Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const ByteView& x, Scratch scratch, const ByteView& y) const;

 private:
  const Int8Kernels& table_;
  SumFactors factors_;
  std::optional<SummedConv> bypass_;
};

// 1x1 convolution without ReLU whose output is floats, y = float(sum) * scale: that of a detector.
class ByteOutput {
 public:
  ByteOutput(const Int8Kernels& table, PackedBytes packed) : conv_(table, std::move(packed)) {}

  const PackedBytes& packed() const { return conv_.packed(); }
  SummedConv::Memory plan(Scratch& scratch, int n, int h, int w, int threads) const {
    return conv_.plan(scratch, n, h, w, threads);
  }
  // y: packed().out floats for each pixel of x.
  void run(ThreadPool& pool, const ByteView& x, Scratch scratch, float* y) const;

 private:
  SummedConv conv_;
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
