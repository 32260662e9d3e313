// The layers of a SqueezeNet. A layer holds packed weights and runs the kernels of a table on a
// thread pool. The bindings check the shapes that Python passes; here valid shapes are a
// precondition. Each layer's plan() takes its memory from a Scratch: the memory of a run on n maps
// of h x w.
#pragma once

#include <cstddef>

#include "core/maps.h"
#include "core/pack.h"
#include "core/scratch.h"
#include "core/threadpool.h"
#include "core/winograd.h"
#include "sqz/f32.h"

namespace sqz {

// Convolution without padding. For a padded convolution, the input view includes a border of zeros.
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

// 1x1 convolution that skips the zeros of its input, as a ReLU leaves them.
class Squeeze {
 public:
  Squeeze(const Float32Kernels& table, Packed packed, bool relu)
      : table_(table), conv_(table, std::move(packed), 1, relu) {}

  const Packed& packed() const { return conv_.packed(); }
  struct Memory {
    std::byte* lists;  // each thread's lists of channels
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const View& x, const Memory& memory, const View& y) const;
  void run(ThreadPool& pool, const View& x, Scratch scratch, const View& y) const {
    run(pool, x, plan(scratch, x.n, x.h, x.w, pool.threads()), y);
  }

 private:
  std::size_t list_bytes() const;  // from the lists of one thread to those of the next

  const Float32Kernels& table_;
  Conv conv_;
};

// The 7x7 stem with stride 2 and ReLU. As a dense convolution, it is 20 % of SqueezeNet 1.0's work.
// Space-to-depth turns the stride into channels, and then Winograd's algorithm needs a quarter of
// that.
class Stem {
 public:
  // The weights are out x in x 7 x 7.
  Stem(const Float32Kernels& table, const FloatWeights& w);

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

// 3x3 convolution with stride 1, padded by one pixel of zeros, by Winograd's algorithm. If `tile`
// is 0, the best tile is chosen for each size.
//
// `x` may be a band of a map. Then it has `above` rows (0 or 1) above the first row of `y`, and 0
// or 1 rows below the last row of `y`. With 0 rows, the map ends there. plan() takes the height of
// `y`.
class PaddedConv {
 public:
  // `packed` comes from pack_winograd.
  PaddedConv(const Float32Kernels& table, PackedCompact packed, int tile, bool relu)
      : winograd_(table, std::move(packed), tile, relu) {}

  const PackedCompact& packed() const { return winograd_.packed(); }

  struct Memory {
    View bordered;  // the algorithm's input: the map with its border
    Winograd::Memory winograd;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const View& x, Scratch scratch, const View& y, int above = 0) const;

  // The same in parts, for a layer that writes x directly into the bordered map. prepare() clears
  // the border and returns the view for x, with `rows` rows. After x is written, run winograd()'s
  // parts.
  static View prepare(const Memory& memory, int rows, int above);
  WinogradArgs args(const Memory& memory, const View& y) const {
    return winograd_.args(memory.bordered, y, memory.winograd);
  }
  const Winograd& winograd() const { return winograd_; }

 private:
  Winograd winograd_;
};

// A 1x1 squeeze, then a 1x1 expand and a 3x3 expand. Each expand writes its own channels of the
// output. `tile` is for the 3x3 expand. `x` may be a band of a map, as in PaddedConv.
class Fire {
 public:
  Fire(const Float32Kernels& table, Packed squeeze, Packed expand1, PackedCompact expand3,
       int tile);

  int inputs() const { return squeeze_.packed().in; }
  int outputs() const { return expand1_.packed().out + expand3_.packed().out; }

  // The squeeze writes its output directly into the bordered input of the 3x3 expand.
  struct Memory {
    PaddedConv::Memory expand3;
    Squeeze::Memory squeeze;
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  void run(ThreadPool& pool, const View& x, Scratch scratch, const View& y, int above = 0) const;

 private:
  const Float32Kernels& table_;
  Squeeze squeeze_;
  Conv expand1_;
  PaddedConv expand3_;
};

// 1x1 convolution, ReLU and global average. `padding` is the padding of the 1x1 convolution.
class Classifier {
 public:
  // `packed` comes from pack_classifier.
  Classifier(const Float32Kernels& table, PackedCompact packed, int padding)
      : table_(table), packed_(std::move(packed)), padding_(padding) {}

  const PackedCompact& packed() const { return packed_; }
  struct Memory {
    std::int32_t* lists;  // the channels whose values are not zero
    float* values;        // these values
    float* widened;       // each thread's weights as floats, if they are halves
    std::size_t next;     // from one thread's to those of the next
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;
  // logits: x.n rows of packed().out floats.
  void run(ThreadPool& pool, const View& x, Scratch scratch, float* logits) const;

 private:
  ClassifierArgs args(const View& x, const Memory& memory, float* logits) const;

  const Float32Kernels& table_;
  PackedCompact packed_;
  int padding_;
};

void max_pool(const Float32Kernels& table, ThreadPool& pool, const View& x, const View& y);
void add(const Float32Kernels& table, ThreadPool& pool, const View& a, const View& b,
         const View& y);

}  // namespace sqz
