// The squeeze: a 1x1 convolution with stride 1 that skips the zeros of its input.
//
// An item is a group of pixels, a whole number of the dense kernel's tiles. The groups of an image
// have nearly equal sizes, so that the work is divided evenly among the threads. The nonzero
// channels of a group are listed first, which costs a few percent of the product. If the first
// lists are too long to pay, the dense kernel computes the whole group.
#include "kernels/f32/kernels.h"
#include "kernels/tiles/sparse.h"
#include "kernels/tiles/store.h"

namespace sqz {
namespace SQZ_ISA {

namespace {

constexpr int kDenseTiles = 48 / kConvMr;  // of the largest group
constexpr int kTiles = ceil_div(kDenseTiles * kConvMr, kSparseMr);

// Lists of more channels would take too much memory. The dense kernel computes such layers, which
// no SqueezeNet has.
constexpr int kMaxChannels = 768;

struct Lists {
  SparseTile tiles[kTiles];
  float* y[kTiles][kSparseMr];
  int count[kTiles];
  int32_t channels[kTiles][kMaxChannels + kLanes];
};

template <int kBlocks>
void some_blocks(const ConvArgs& args, const SparseTile& t, const int32_t* list, int count,
                 int block, float* const* at) {
  Vec acc[kSparseMr][kBlocks * kConvNv];
  start_tile_at<kSparseMr>(args.b + block * kConvNr, acc);
  const ptrdiff_t next_block = static_cast<ptrdiff_t>(args.x.c) * kConvNr;
  const auto value = [&](int, ptrdiff_t channel, int pixel) { return t.x[pixel][channel]; };
  multiply_list<kBlocks>(list, count, value, args.w + block * next_block, next_block, acc);
  float* y[kSparseMr];
  SQZ_UNROLL
  for (int m = 0; m < kSparseMr; ++m) y[m] = at[m] + block * kConvNr;
  store_tile<kSparseMr>(acc, args.relu, t.pixels, args.y.c - block * kConvNr, y);
}

// Computes the input and output addresses of the tiles in a group of `pixels` from `first` on.
// Counting rows and columns saves one division per pixel, which would take a tenth of the products'
// time.
void place_tiles(const ConvArgs& args, int64_t first, int pixels, Lists* lists) {
  int row = static_cast<int>(first / args.y.w), column = static_cast<int>(first % args.y.w);
  for (int t = 0; pixels > 0; ++t) {
    SparseTile& tile = lists->tiles[t];
    tile.pixels = min(pixels, kSparseMr);
    for (int m = 0; m < kSparseMr; ++m) {
      tile.x[m] = args.x.data + row * args.x.row + column * args.x.pixel;
      lists->y[t][m] = args.y.data + row * args.y.row + column * args.y.pixel;
      if (--pixels > 0 && ++column == args.y.w) column = 0, ++row;
    }
  }
}

// Lists the nonzero channels of a group's tiles. Returns false if the lists are too long to pay.
bool list_group(const ConvArgs& args, int tiles, Lists* lists) {
  // Listing costs the same for few outputs as for many. So with few outputs only shorter lists pay.
  const float limit = kDenseFrom - kListCost / static_cast<float>(args.y.c);
  int entries = 0;
  for (int t = 0; t < tiles; ++t) {
    lists->count[t] = list_channels(lists->tiles[t], args.x.c, lists->channels[t]);
    entries += lists->count[t];
    // The first tiles show whether a group is dense, so a dense group is spared most of the lists.
    if (t != tiles / 4 && t != tiles - 1) continue;
    const float all = static_cast<float>(t + 1) * static_cast<float>(args.x.c);
    if (static_cast<float>(entries) > limit * all) return false;
  }
  return true;
}

static_assert(kSparseBlocks <= 4, "walk() handles up to 4 blocks");

void walk(const ConvArgs& args, const Lists& lists, int tile, int block, int blocks) {
  const auto run = [&](auto some) {
    some(args, lists.tiles[tile], lists.channels[tile], lists.count[tile], block, lists.y[tile]);
  };
  if constexpr (kSparseBlocks > 3) {
    if (blocks == 4) return run(some_blocks<4>);
  }
  if constexpr (kSparseBlocks > 2) {
    if (blocks == 3) return run(some_blocks<3>);
  }
  if constexpr (kSparseBlocks > 1) {
    if (blocks == 2) return run(some_blocks<2>);
  }
  run(some_blocks<1>);
}

// The groups of one image, by the dense kernel's tiles.
struct Groups {
  int64_t count, tiles;

  int64_t first_tile(int64_t group) const { return group * tiles / count; }
};

Groups groups_of(const ConvArgs& args) {
  const int64_t tiles = ceil_div<int64_t>(pixels_per_image(args.y), kConvMr);
  return {ceil_div<int64_t>(tiles, kDenseTiles), tiles};
}

// `a` holds one image.
void one_group(const ConvArgs& args, int64_t group, Lists* lists) {
  const Groups groups = groups_of(args);
  const int64_t begin = groups.first_tile(group), end = groups.first_tile(group + 1);
  const int64_t first = begin * kConvMr, last = min(end * kConvMr, pixels_per_image(args.y));
  const int pixels = static_cast<int>(last - first), tiles = ceil_div(pixels, kSparseMr);
  place_tiles(args, first, pixels, lists);
  if (args.x.c > kMaxChannels || !list_group(args, tiles, lists)) return conv_f32(args, begin, end);
  const int blocks = ceil_div(args.y.c, kConvNr);
  // The inner loop is over the pixels, so that the weights stay in the caches.
  for (int b = 0; b < blocks; b += kSparseBlocks) {
    const int some = min(blocks - b, kSparseBlocks);
    for (int t = 0; t < tiles; ++t) walk(args, *lists, t, b, some);
  }
}

}  // namespace

// Groups end with their image, so that an image's numbers do not depend on its place in a batch.
int64_t squeeze_f32_items(const ConvArgs& args) { return args.y.n * groups_of(args).count; }

int64_t squeeze_f32_lists() { return sizeof(Lists); }

void squeeze_f32(const ConvArgs& args, int64_t begin, int64_t end, void* lists) {
  ConvArgs one = args;
  one.x.n = one.y.n = 1;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t groups = groups_of(args).count, n = item / groups;
    one.x.data = args.x.data + n * args.x.image;
    one.y.data = args.y.data + n * args.y.image;
    one_group(one, item % groups, static_cast<Lists*>(lists));
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
