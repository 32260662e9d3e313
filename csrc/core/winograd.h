// Convolution with stride 1 by Winograd's algorithm. This chooses the tile and plans the memory.
#pragma once

#include "core/pack.h"
#include "core/scratch.h"
#include "core/threadpool.h"
#include "sqz/f32.h"

namespace sqz {

// The tiles along one side of a map: first whole ones, then small ones, with two outputs fewer.
struct TilesOfSide {
  int whole, small;
};

struct WinogradTiles {
  int tile;  // the side of a whole tile
  TilesOfSide rows, columns;
};

class Winograd {
 public:
  static constexpr int kMinTile = 4, kMaxTile = 7;

  // `packed` comes from pack_winograd. `tile` is the side of a whole tile of outputs; with 0, it is
  // chosen for each size.
  Winograd(const Float32Kernels& table, PackedCompact packed, int tile, bool relu)
      : table_(table), packed_(std::move(packed)), tile_(tile), relu_(relu) {}

  const PackedCompact& packed() const { return packed_; }

  // How outputs of h x w are divided into tiles. It does not depend on the batch size, so an image's
  // results do not depend on it either.
  WinogradTiles tiles(int h, int w) const;

  struct Memory {
    float* points;
    float* filters;  // each thread's transformed filters and products
  };
  // The memory for n outputs of h x w on `threads` threads.
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;

  // For a padded convolution, `x` includes the border.
  WinogradArgs args(const View& x, const View& y, const Memory& memory) const;
  void run(ThreadPool& pool, const WinogradArgs& a, const Memory& memory) const;

  // run() in two parts: all items of input() come before output().
  std::int64_t input_items(const WinogradArgs& a) const {
    return table_.winograd_input_f32_items(a);
  }
  void input(const WinogradArgs& a, std::int64_t begin, std::int64_t end) const {
    table_.winograd_input_f32(a, begin, end);
  }
  void output(ThreadPool& pool, const WinogradArgs& a, const Memory& memory) const;

 private:
  std::int64_t cost(const WinogradTiles& tiles) const;
  std::size_t point_floats(int n, const WinogradTiles& tiles) const;
  // For one thread, in whole cache lines.
  std::size_t filter_floats(int tile) const;
  std::size_t product_floats(int tile) const;
  // From the memory of one thread to that of the next.
  std::size_t thread_floats(int tile) const;

  const Float32Kernels& table_;
  PackedCompact packed_;
  int tile_;
  bool relu_;
};

}  // namespace sqz
