// The layers of a SqueezeNet: packed weights and how a pool runs them through a kernel table.
// The bindings check the shapes; here they are preconditions. plan() takes the memory for a run over
// n maps of h x w from a Scratch.
#pragma once

#include "core/pack.h"
#include "core/scratch.h"
#include "core/threadpool.h"
#include "core/winograd.h"
#include "sqz/f32.h"

namespace sqz {

// Size of a 3-wide, stride-2 window's output. In ceil mode a last, clipped window counts where
// it starts inside the map, as in Caffe and PyTorch. 0 where no window fits.
int pooled_size(int size, bool ceil_mode);

View contiguous_view(float* data, int n, int h, int w, int c);

// The channels [first, first + count) of a view.
View channel_slice(const View& v, int first, int count);

// The rows [first, first + count) of every image of a view.
View rows_of(const View& v, int first, int count);

// The view without a border of `border` pixels.
View inside(const View& v, int border);

// Convolution without padding; a padded one reads a view that includes a zero border.
class Conv {
 public:
  Conv(const Float32Kernels& table, Packed packed, int stride, bool relu)
      : table_(table), packed_(std::move(packed)), stride_(stride), relu_(relu) {}

  const Packed& packed() const { return packed_; }
  int output_size(int size, int kernel) const {
    return size < kernel ? 0 : (size - kernel) / stride_ + 1;
  }
  ConvArgs args(const View& x, const View& y) const;
  void plan(Scratch&, int, int, int, int) const {}
  void run(ThreadPool& pool, const View& x, Scratch scratch, const View& y) const;

 private:
  const Float32Kernels& table_;
  Packed packed_;
  int stride_;
  bool relu_;
};

// The 7x7 stem of stride 2, with ReLU: 20 % of SqueezeNet 1.0's work as a dense convolution, and a
// quarter of that by Winograd's algorithm, once the stride is turned into channels.
class Stem {
 public:
  // `weight` is out x in x 7 x 7.
  Stem(const Float32Kernels& table, const float* weight, const float* bias, int out, int in);

  int inputs() const { return winograd_.packed().in / 4; }
  int outputs() const { return winograd_.packed().out; }
  static int output_size(int size) { return size < 7 ? 0 : (size - 7) / 2 + 1; }

  struct Memory {
    View squares;
    Winograd::Memory winograd;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const View& x, Scratch scratch, const View& y) const;

 private:
  Winograd winograd_;
};

// 3x3 convolution of stride 1, padded by one pixel of zeros, by Winograd's algorithm; `tile` is 0 for
// the best one for each size.
//
// `x` may be a band of a map. Then it has `above` rows (0 or 1) above the first row of `y`, and 0 or 1
// row below the last one. Where it has none, the map ends. plan() gets y's height.
class PaddedConv {
 public:
  // `packed` comes from pack_winograd.
  PaddedConv(const Float32Kernels& table, Packed packed, int tile, bool relu)
      : winograd_(table, std::move(packed), tile, relu) {}

  const Packed& packed() const { return winograd_.packed(); }

  struct Memory {
    View bordered;  // what the algorithm reads: the map within its border
    Winograd::Memory winograd;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const View& x, Scratch scratch, const View& y, int above = 0) const;

  // The same in parts, for a layer that writes x to where it is read: prepare() returns that place,
  // with as many rows as x has. Once x is written, the parts of winograd() follow.
  static View prepare(const Memory& memory, int rows, int above);
  WinogradArgs args(const Memory& memory, const View& y) const {
    return winograd_.args(memory.bordered, y, memory.winograd);
  }
  const Winograd& winograd() const { return winograd_; }

 private:
  Winograd winograd_;
};

// Squeeze 1x1, then expand 1x1 and expand 3x3, each writing its channels of the output. `tile` and a
// band in `x`: as for PaddedConv.
class Fire {
 public:
  Fire(const Float32Kernels& table, Packed squeeze, Packed expand1, Packed expand3, int tile);

  const Conv& squeeze() const { return squeeze_; }
  const Conv& expand1() const { return expand1_; }
  const Packed& expand3() const { return expand3_.packed(); }

  // The squeezed map is written where the 3x3 expand reads it.
  PaddedConv::Memory plan(Scratch& scratch, int n, int h, int w, int threads) const {
    return expand3_.plan(scratch, n, h, w, threads);
  }
  void run(ThreadPool& pool, const View& x, Scratch scratch, const View& y, int above = 0) const;

 private:
  const Float32Kernels& table_;
  Conv squeeze_, expand1_;
  PaddedConv expand3_;
};

// 1x1 convolution, ReLU and global average; `padding` is the 1x1 convolution's own.
class Classifier {
 public:
  Classifier(const Float32Kernels& table, Packed packed, int padding)
      : table_(table), packed_(std::move(packed)), padding_(padding) {}

  const Packed& packed() const { return packed_; }
  // The channels that are not zero, and their values.
  struct Memory {
    std::int32_t* lists;
    float* values;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  // logits: x.n rows of packed().out floats.
  void run(ThreadPool& pool, const View& x, Scratch scratch, float* logits) const;

 private:
  ClassifierArgs args(const View& x, const Memory& memory, float* logits) const;

  const Float32Kernels& table_;
  Packed packed_;
  int padding_;
};

void max_pool(const Float32Kernels& table, ThreadPool& pool, const View& x, const View& y);
void add(const Float32Kernels& table, ThreadPool& pool, const View& a, const View& b,
         const View& y);

}  // namespace sqz
