// The squeeze for AArch64: a 1x1 convolution with stride 1 that skips the zeros of its input.
//
// An item is a group of pixels, a whole number of the dense kernel's tiles. The nonzero channels of
// the first pixels are listed. If these lists are too long to pay, the dense kernel computes the
// whole group.
#include "kernels/f32/aarch64/sparse_list.h"
#include "kernels/f32/kernels.h"
#include "kernels/tiles/places.h"
#include "kernels/tiles/store.h"

namespace sqz {
namespace SQZ_ISA {

namespace {

// A group is large enough that the weights come from the L1 cache for all pixels except the first.
// The first quarter of a group decides whether it is dense: with lists for all pixels of dense
// groups the squeezes were 3 % slower (docs/performance.md, on AVX2).
constexpr int kGroup = 48, kTiles = kGroup / kConvMr, kSample = kGroup / 4;
static_assert(kTiles * kConvMr == kGroup, "a group is a whole number of dense tiles");

// Lists of more channels would take too much memory. The dense kernel computes such layers, which
// no SqueezeNet has.
constexpr int kMaxChannels = 768;

struct Lists {
  int count[kGroup];
  uint16_t channels[kGroup][kMaxChannels + 8];
};

template <int kBlocks>
SQZ_NOINLINE void walk(const ConvArgs& args, const float* x, const uint16_t* list, int count,
                       int block, float* y) {
  const ptrdiff_t next_block = static_cast<ptrdiff_t>(args.x.c) * kConvNr;
  const float* w = args.w + block * next_block;
  Vec acc[1][kBlocks * kConvNv];
  start_tile_at<1>(args.b + block * kConvNr, acc);
  if constexpr (kBlocks == 1)
    walk_one_block(list, count, x, w, acc[0]);
  else
    walk_two_blocks(list, count, x, w, next_block, acc[0]);
  y += block * kConvNr;
  store_tile<1>(acc, args.relu, 1, args.y.c - block * kConvNr, &y);
}

// `args` holds one image.
void one_group(const ConvArgs& args, int64_t group, Lists* lists) {
  const int64_t first = group * kGroup;
  const int pixels = static_cast<int>(min<int64_t>(pixels_per_image(args.y) - first, kGroup));
  const int blocks = ceil_div(args.y.c, kConvNr);
  const float* x[kGroup];
  float* y[kGroup];
  int row = static_cast<int>(first / args.y.w), column = static_cast<int>(first % args.y.w);
  for (int pixel = 0; pixel < pixels; ++pixel) {
    x[pixel] = args.x.data + row * args.x.row + column * args.x.pixel;
    y[pixel] = args.y.data + row * args.y.row + column * args.y.pixel;
    if (++column == args.y.w) column = 0, ++row;
  }
  bool dense = args.x.c > kMaxChannels;
  int entries = 0;
  for (int pixel = 0; pixel < pixels && !dense; ++pixel) {
    uint16_t* const list = lists->channels[pixel];
    const int count = list_pixel(x[pixel], args.x.c, list);
    for (int i = 0; i < kReadAhead; ++i) list[count + i] = 0;
    lists->count[pixel] = count;
    entries += count;
    // Every fourth pixel of the group would be a better sample, but the walk needs these lists
    // anyway.
    if (pixel + 1 == kSample || pixel + 1 == pixels)
      dense = static_cast<float>(entries) >
              dense_from(blocks) * static_cast<float>((pixel + 1) * args.x.c);
  }
  if (dense) {
    conv_f32(args, group * kTiles, min((group + 1) * kTiles, tiles_of<kConvMr>(args)));
    return;
  }
  // The inner loop is over the pixels, so that the weights stay in the L1 cache.
  for (int block = 0; block < blocks; block += kWalkBlocks) {
    for (int pixel = 0; pixel < pixels; ++pixel) {
      if (blocks - block >= kWalkBlocks)
        walk<kWalkBlocks>(args, x[pixel], lists->channels[pixel], lists->count[pixel], block,
                          y[pixel]);
      else
        walk<1>(args, x[pixel], lists->channels[pixel], lists->count[pixel], block, y[pixel]);
    }
  }
}

int64_t groups_per_image(const ConvArgs& args) {
  return ceil_div<int64_t>(pixels_per_image(args.y), kGroup);
}

}  // namespace

// Groups end with their image, so that an image's numbers do not depend on its place in a batch.
int64_t squeeze_f32_items(const ConvArgs& args) { return args.y.n * groups_per_image(args); }

int64_t squeeze_f32_lists() { return sizeof(Lists); }

void squeeze_f32(const ConvArgs& args, int64_t begin, int64_t end, void* lists) {
  ConvArgs one = args;
  one.x.n = one.y.n = 1;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t image = item / groups_per_image(args);
    one.x.data = args.x.data + image * args.x.image;
    one.y.data = args.y.data + image * args.y.image;
    one_group(one, item % groups_per_image(args), static_cast<Lists*>(lists));
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
