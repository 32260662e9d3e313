// The padded 3x3 convolution on bytes by Winograd's algorithm: its memory, and its two parts.
#pragma once

#include <utility>

#include "core/pack_int8.h"
#include "core/scratch.h"
#include "core/threadpool.h"

namespace sqz {

class ByteWinograd {
 public:
  // `packed` is packed for winograd_output_i8.
  ByteWinograd(const Int8Kernels& table, PackedBytes packed)
      : table_(table), packed_(std::move(packed)) {}

  const PackedBytes& packed() const { return packed_; }
  // The next multiple of a tile's side.
  static int whole_tiles(int size) { return (size + kTile - 1) / kTile * kTile; }

  // The part of a map, from its first row and column on, that is computed. Direct products of the rest
  // are fewer than those of tiles that it fills only in part.
  struct Part {
    int h, w;
  };
  Part part_of(int h, int w) const;

  struct Memory {
    std::int16_t* points;
    std::byte* scratch;  // of all threads
    std::size_t each;    // bytes from the memory of one thread to that of the next
  };
  Memory plan(Scratch& scratch, int n, int h, int w, int threads) const;

  // `x` includes the border, and behind it the memory of whole tiles.
  ByteWinogradArgs args(const ByteView& x, const ByteView& y, const Memory& memory) const;

  // All items of input() come before output().
  std::int64_t input_items(const ByteWinogradArgs& a) const {
    return table_.winograd_input_i8_items(a);
  }
  void input(const ByteWinogradArgs& a, std::int64_t begin, std::int64_t end) const {
    table_.winograd_input_i8(a, begin, end);
  }
  void output(ThreadPool& pool, const ByteWinogradArgs& a, const Memory& memory) const;

 private:
  static constexpr int kTile = 4;

  const Int8Kernels& table_;
  PackedBytes packed_;
};

}  // namespace sqz
