// The classifier: 1x1 convolution, bias, ReLU and global average pooling.
//
// The h*w*classes map between convolution and pooling is never written. An item is one block of
// kConvNr classes of one image. Its sums stay in registers and its weights in the L1 cache while
// the pixels are read. With the trained networks 86-93 % of the input is zero. So the nonzero
// channels are listed first, once for all blocks. Where too few channels are zero, a dense product
// computes kConvMr pixels at a time instead. The order of summation does not depend on the number
// of threads or on the assignment of items to threads.
#include "kernels/f32/kernels.h"
#include "kernels/tiles/dense.h"
#include "kernels/tiles/sparse.h"
#include "kernels/tiles/store.h"
#include "kernels/tiles/weights.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// kBlocks adjacent blocks of classes of one image, and the sums over its pixels.
template <int kBlocks>
struct Blocks {
  const float* w;
  ptrdiff_t next;     // floats from one block's weights to the next one's
  const char* ahead;  // the weights of the next blocks in memory, and their bytes
  int64_t ahead_size;
  Vec bias[kBlocks * kConvNv], sum[kBlocks * kConvNv];
};

// sum[v] += relu(acc[row][v]) for the first `rows` rows.
template <int kRows, int kVectors>
SQZ_INLINE void add_rectified(const Vec (*acc)[kVectors], int64_t rows, Vec* sum) {
  SQZ_UNROLL
  for (int m = 0; m < kRows; ++m) {
    if (m >= rows) break;
    SQZ_UNROLL
    for (int v = 0; v < kVectors; ++v) sum[v] = add(sum[v], max(acc[m][v], zero()));
  }
}

template <int kBlocks>
void add_dense(const ClassifierArgs& args, int64_t n, Blocks<kBlocks>* blocks) {
  const int64_t pixels = pixels_per_image(args.x);
  for (int64_t p = 0; p < pixels; p += kConvMr) {
    const float* x[kConvMr];
    const int tile = static_cast<int>(min<int64_t>(pixels - p, kConvMr));
    // With min(), GCC would keep the pointers in memory during the loop over the channels, too.
    for (int m = 0; m < kConvMr; ++m) x[m] = pixel_at(args.x, n, p + (m < tile ? m : tile - 1));
    for (int b = 0; b < kBlocks; ++b) {
      Vec acc[kConvMr][kConvNv];
      start_tile<kConvMr>(blocks->bias + b * kConvNv, acc);
      multiply_tile<kConvMr>(x, args.x.c, blocks->w + b * blocks->next, 0, acc);
      add_rectified<kConvMr>(acc, tile, blocks->sum + b * kConvNv);
    }
  }
}

int64_t tiles_per_image(const ClassifierArgs& args) {
  return ceil_div<int64_t>(pixels_per_image(args.x), kSparseMr);
}

// A tile's list: its length, its channels and their values, kSparseMr for each channel. All blocks
// of classes read the lists, so it pays to store the values adjacent to each other.
struct List {
  int32_t* count;
  int32_t* channels;
  float* values;
};

// list_channels() writes up to a register beyond the channels.
int64_t list_size(const ClassifierArgs& args) { return 1 + args.x.c + kLanes; }

// A cache line more than the values take: else all tiles' values would meet in the same sets of the
// L1 cache where the channels are a power of two.
int64_t values_size(const ClassifierArgs& args) { return kSparseMr * args.x.c + 16; }

List list_of(const ClassifierArgs& args, int64_t tile) {
  int32_t* start = args.lists + tile * list_size(args);
  return {start, start + 1, args.values + tile * values_size(args)};
}

template <int kBlocks>
void add_sparse(const ClassifierArgs& args, int64_t n, Blocks<kBlocks>* blocks) {
  // A list reads scattered rows of weights, which the hardware prefetcher does not predict. So the
  // weights of the next blocks are prefetched, a part of them with each tile.
  const int64_t share = blocks->ahead_size / tiles_per_image(args) + 1;
  for (int64_t i = 0; i < tiles_per_image(args); ++i) {
    for (int64_t at = i * share; at < (i + 1) * share; at += 64) prefetch(blocks->ahead + at);
    const List list = list_of(args, n * tiles_per_image(args) + i);
    const auto value = [&](int entry, ptrdiff_t, int pixel) {
      return list.values[entry * kSparseMr + pixel];
    };
    Vec acc[kSparseMr][kBlocks * kConvNv];
    start_tile<kSparseMr>(blocks->bias, acc);
    multiply_list<kBlocks>(list.channels, *list.count, value, blocks->w, blocks->next, acc);
    add_rectified<kSparseMr>(acc, pixels_per_image(args.x) - i * kSparseMr, blocks->sum);
  }
}

int block_count(const ClassifierArgs& args) { return ceil_div(args.classes, kConvNr); }

// Computes the logits of kBlocks blocks of classes, from block `first` on.
template <int kBlocks>
void classify(const ClassifierArgs& args, int64_t n, int first, float* widened) {
  Blocks<kBlocks> blocks;
  blocks.next = static_cast<ptrdiff_t>(args.x.c) * kConvNr;
  blocks.w = rows_as_floats(args.w, first * blocks.next, kBlocks * args.x.c, widened);
  with_weights(args.w, (first + kBlocks) * blocks.next, [&](const auto* w) {
    blocks.ahead = reinterpret_cast<const char*>(w);
    blocks.ahead_size = kBlocks * blocks.next * static_cast<int64_t>(sizeof *w);
  });
  const Vec border = broadcast(static_cast<float>(args.border));
  for (int v = 0; v < kBlocks * kConvNv; ++v) {
    blocks.bias[v] = load(args.b + first * kConvNr + v * kLanes);
    blocks.sum[v] = mul(max(blocks.bias[v], zero()), border);
  }
  int64_t entries = 0;
  for (int64_t t = 0; t < tiles_per_image(args); ++t)
    entries += *list_of(args, n * tiles_per_image(args) + t).count;
  const float all = static_cast<float>(tiles_per_image(args) * args.x.c);
  if (static_cast<float>(entries) > kDenseFrom * all)
    add_dense(args, n, &blocks);
  else
    add_sparse(args, n, &blocks);
  const Vec divisor = broadcast(static_cast<float>(pixels_per_image(args.x) + args.border));
  for (int v = 0; v < kBlocks * kConvNv; ++v) {
    const int o = first * kConvNr + v * kLanes;
    store_left(args.logits + n * args.classes + o, div(blocks.sum[v], divisor), args.classes - o);
  }
}

// An item is as many blocks as one walk over the lists computes. If the last item has fewer, it
// computes them one by one.
int items_per_image(const ClassifierArgs& args) {
  return ceil_div(block_count(args), kSparseBlocks);
}

}  // namespace

ClassifierSizes classifier_f32_sizes(const ClassifierArgs& args) {
  const int64_t tiles = args.x.n * tiles_per_image(args);
  return {tiles * list_size(args), tiles * values_size(args), kSparseBlocks * kConvNr * args.x.c};
}

int64_t classifier_list_f32_items(const ClassifierArgs& args) {
  return args.x.n * tiles_per_image(args);
}

void classifier_list_f32(const ClassifierArgs& args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t n = i / tiles_per_image(args), first = i % tiles_per_image(args) * kSparseMr;
    const SparseTile t = sparse_tile_at(args.x, n, first);
    const List list = list_of(args, i);
    *list.count = list_channels(t, args.x.c, list.channels);
    for (int e = 0; e < *list.count; ++e)
      for (int m = 0; m < kSparseMr; ++m) list.values[e * kSparseMr + m] = t.x[m][list.channels[e]];
  }
}

int64_t classifier_f32_items(const ClassifierArgs& args) {
  return static_cast<int64_t>(args.x.n) * items_per_image(args);
}

void classifier_f32(const ClassifierArgs& args, int64_t begin, int64_t end, float* widened) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t n = i / items_per_image(args);
    const int first = static_cast<int>(i % items_per_image(args)) * kSparseBlocks;
    if (first + kSparseBlocks <= block_count(args)) {
      classify<kSparseBlocks>(args, n, first, widened);
      continue;
    }
    for (int b = first; b < block_count(args); ++b) classify<1>(args, n, b, widened);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
