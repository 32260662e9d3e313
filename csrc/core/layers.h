// The layers of a SqueezeNet: packed weights and how a pool runs them through a kernel table.
// Shapes are checked where Python hands them in (bindings); here they are preconditions.
#pragma once

#include "core/pack.h"
#include "core/threadpool.h"
#include "sqz/kernels.h"

namespace sqz {

// Size of a 3-wide, stride-2 window's output. In ceil mode a last, clipped window counts where
// it starts inside the map, as in Caffe and PyTorch. 0 where no window fits.
int pooled_size(int size, bool ceil_mode);

View contiguous_view(float* data, int n, int h, int w, int c);

// The channels [first, first + count) of a view.
View channel_slice(const View& v, int first, int count);

// The view without a border of `border` pixels.
View inside(const View& v, int border);

// Convolution without padding; a padded one reads a view that includes a zero border.
class Conv {
 public:
  Conv(const KernelTable& table, Packed packed, int stride, bool relu)
      : table_(table), packed_(std::move(packed)), stride_(stride), relu_(relu) {}

  const Packed& packed() const { return packed_; }
  int output_size(int size, int kernel) const {
    return size < kernel ? 0 : (size - kernel) / stride_ + 1;
  }
  ConvArgs args(const View& x, const View& y) const;
  // Floats of scratch memory that a run over n maps of h x w needs.
  std::size_t scratch(int n, int h, int w) const;
  void run(ThreadPool& pool, const View& x, float* scratch, const View& y) const;

 private:
  const KernelTable& table_;
  Packed packed_;
  int stride_;
  bool relu_;
};

// Squeeze 1x1, then expand 1x1 and expand 3x3, each writing its channels of the output. The 3x3
// runs by Winograd's algorithm with this output tile; its weights are packed for it.
class Fire {
 public:
  Fire(const KernelTable& table, Packed squeeze, Packed expand1, Packed expand3, int tile);

  const Conv& squeeze() const { return squeeze_; }
  const Conv& expand1() const { return expand1_; }
  const Packed& expand3() const { return expand3_; }

  // Floats of scratch memory that a run over n maps of h x w needs.
  std::size_t scratch(int n, int h, int w) const;
  void run(ThreadPool& pool, const View& x, float* scratch, const View& y) const;

 private:
  std::size_t squeezed_floats(int n, int h, int w) const;

  const KernelTable& table_;
  Conv squeeze_, expand1_;
  Packed expand3_;
  int tile_;
};

// 1x1 convolution, ReLU and global average; `padding` is the 1x1 convolution's own.
class Classifier {
 public:
  Classifier(const KernelTable& table, Packed packed, int padding)
      : table_(table), packed_(std::move(packed)), padding_(padding) {}

  const Packed& packed() const { return packed_; }
  // Floats of scratch memory that a run over n maps of h x w needs.
  std::size_t scratch(int n, int h, int w) const;
  // logits: x.n rows of packed().out floats.
  void run(ThreadPool& pool, const View& x, float* scratch, float* logits) const;

 private:
  ClassifierArgs args(const View& x, float* scratch, float* logits) const;

  const KernelTable& table_;
  Packed packed_;
  int padding_;
};

void max_pool(const KernelTable& table, ThreadPool& pool, const View& x, const View& y);
void add(const KernelTable& table, ThreadPool& pool, const View& a, const View& b, const View& y);

}  // namespace sqz
