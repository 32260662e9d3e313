// Convolution on bytes with any kernel size and stride; see ../conv.cpp. An item is a tile of output
// pixels. The inputs of a few items are packed, and then multiplied by one block of weights after
// another.
#include "kernels/int8/aarch64/pack.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// Number of items per pass over the blocks. Their inputs share the cache with one block of weights.
constexpr int kItems = 4;

SQZ_INLINE Runs runs_of(const ByteConvArgs& args) {
  return {args.kh, args.x.row, args.kw * args.x.c};
}

// Computes a block of channels of a tile that may lack pixels or channels; or its sums, args.y.c of
// each pixel, if `sums` is not null.
SQZ_NOINLINE void multiply_part(const TileInputs& in, const Weight* w, const ByteConvArgs& args,
                                const Tile& tile, int first, int32_t* sums) {
  const int channels = min(kSums, args.y.c - first);
  if (sums) {
    int32_t own[kTall][kSums];
    multiply_to_sums(in, w, args.b + first, own[0]);
    for (int m = 0; m < tile.pixels; ++m)
      memcpy(sums + m * args.y.c + first, own[m], channels * sizeof(int32_t));
    return;
  }
  uint8_t own[kTall][kSums];
  uint8_t* rows[kTall];
  for (int m = 0; m < kTall; ++m) rows[m] = own[m];
  multiply_to_bytes(in, w, args.b + first, args.scale + first, false, rows, 0);
  for (int m = 0; m < tile.pixels; ++m) {
    if (channels == kSums)
      memcpy(tile.y[m] + first, own[m], kSums);
    else
      memcpy(tile.y[m] + first, own[m], channels);
  }
}

// Computes a block of channels of whole tiles, whose packed inputs are `bytes` apart.
SQZ_NOINLINE void multiply_tiles(const Tile* tiles, int count, const uint8_t* packed,
                                 ptrdiff_t bytes, ptrdiff_t steps, const Weight* w,
                                 const ByteConvArgs& args, int first) {
  const int32_t* const b = args.b + first;
  const float* const scale = args.scale + first;
  for (const Tile* const end = tiles + count; tiles != end; ++tiles, packed += bytes)
    multiply_to_bytes({packed, steps, true}, w, b, scale, args.narrow, tiles->y, first);
}

// Computes items; see conv_i8 and, if `sums` is not null, conv_sums_i8.
SQZ_INLINE void compute_items(const ByteConvArgs& args, int64_t begin, int64_t end, void* scratch,
                              int32_t* sums) {
  if (begin == end) return;  // maybe of an empty map
  const Runs runs = runs_of(args);
  const ptrdiff_t steps = steps_of(runs), bytes = tile_bytes(runs);
  const uint8_t* const input_end = end_of(args.x);
  const uint8x16x2_t places = is_short(runs) ? places_of(runs) : uint8x16x2_t{};
  uint8_t* const packed = static_cast<uint8_t*>(scratch);
  PixelPlace place = place_at(args.y, begin * kTall);
  for (; begin < end; begin += kItems, sums += sums ? kItems * kTall * args.y.c : 0) {
    const int items = static_cast<int>(min<int64_t>(end - begin, kItems));
    Tile tiles[kItems];
    for (int i = 0; i < items; ++i) {
      tiles[i] = next_tile<uint8_t, kTall>(args, place);
      pack_tile(runs, tiles[i], input_end, places, packed + i * bytes);
    }
    const int whole = items - (tiles[items - 1].pixels < kTall);
    const Weight* w = static_cast<const Weight*>(args.w);
    for (int first = 0; first < args.y.c; first += kSums, w += steps * kSums * kGroup) {
      const int done = sums || first + kSums > args.y.c ? 0 : whole;
      multiply_tiles(tiles, done, packed, bytes, steps, w, args, first);
      for (int i = done; i < items; ++i)
        multiply_part({packed + i * bytes, steps, is_wide(tiles[i].pixels)}, w, args, tiles[i],
                      first, sums ? sums + i * kTall * args.y.c : nullptr);
    }
  }
}

}  // namespace

int64_t conv_i8_scratch(const ByteConvArgs& args) { return kItems * tile_bytes(runs_of(args)); }

int64_t conv_i8_items(const ByteConvArgs& args) { return tiles_of<kTall>(args); }

void conv_i8(const ByteConvArgs& args, int64_t begin, int64_t end, void* scratch) {
  compute_items(args, begin, end, scratch, nullptr);
}

void conv_sums_i8(const ByteConvArgs& args, int64_t begin, int64_t end, void* scratch,
                  int32_t* sums) {
  compute_items(args, begin, end, scratch, sums);
}

}  // namespace SQZ_ISA
}  // namespace sqz
