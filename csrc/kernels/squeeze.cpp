// 1x1 convolution, stride 1, that skips the zeros of its input: the squeeze.
//
// An item is a group of pixels, a whole number of tiles both of the sparse and of the dense
// kernel. The group's channels are listed first, which costs a few per cent of the product; where
// the lists are too long to pay, the dense kernel takes the whole group.
#include "sparse.h"

namespace sqz {
namespace SQZ_ISA {

int64_t conv_items(const ConvArgs&);
void conv_f32(const ConvArgs&, int64_t, int64_t);

namespace {

constexpr int kTiles = 12, kGroup = kTiles * kSparseMr, kDenseTiles = kGroup / kConvMr;
static_assert(kDenseTiles * kConvMr == kGroup, "a group is a whole number of dense tiles, too");

// Lists of more channels would not fit on the stack: such layers, which no SqueezeNet has, go
// dense.
constexpr int kMaxChannels = 768;

struct Lists {
  SparseTile tiles[kTiles];
  int count[kTiles];
  int32_t channels[kTiles][kMaxChannels + kLanes];
};

void block_of_channels(const ConvArgs& a, const SparseTile& t, const int32_t* list, int count,
                       int block, float* const* y) {
  const float* bias = a.b + block * kConvNr;
  Vec acc[kSparseMr][kConvNv];
  SQZ_UNROLL
  for (int m = 0; m < kSparseMr; ++m) {
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) acc[m][v] = load(bias + v * kLanes);
  }
  const auto value = [&](int, ptrdiff_t channel, int pixel) { return t.x[pixel][channel]; };
  multiply_list(list, count, value, a.w + static_cast<ptrdiff_t>(block) * a.x.c * kConvNr, acc);
  SQZ_UNROLL
  for (int m = 0; m < kSparseMr; ++m) {
    if (m >= t.pixels) break;
    SQZ_UNROLL
    for (int v = 0; v < kConvNv; ++v) {
      const int channel = block * kConvNr + v * kLanes, left = a.y.c - channel;
      const Vec result = a.relu ? max(acc[m][v], zero()) : acc[m][v];
      if (left >= kLanes)
        store(y[m] + channel, result);
      else if (left > 0)
        store_n(y[m] + channel, result, left);
    }
  }
}

// `a` holds one image.
void one_group(const ConvArgs& a, int64_t group, Lists* lists) {
  const int64_t pixels = static_cast<int64_t>(a.y.h) * a.y.w, first = group * kGroup;
  const int64_t left = (pixels - first + kSparseMr - 1) / kSparseMr;
  const int tiles = static_cast<int>(left < kTiles ? left : kTiles);
  int entries = 0;
  if (a.x.c <= kMaxChannels) {
    for (int t = 0; t < tiles; ++t) {
      lists->tiles[t] = sparse_tile_at(a.x, 0, first + t * kSparseMr);
      lists->count[t] = list_channels(lists->tiles[t], a.x.c, lists->channels[t]);
      entries += lists->count[t];
    }
  }
  // Making the lists costs the same for few outputs as for many, so few need shorter lists.
  const float limit = kDenseFrom - 4.0f / static_cast<float>(a.y.c);
  const float all = static_cast<float>(tiles) * static_cast<float>(a.x.c);
  if (a.x.c > kMaxChannels || static_cast<float>(entries) > limit * all) {
    const int64_t last = (group + 1) * kDenseTiles, end = conv_items(a);
    conv_f32(a, group * kDenseTiles, last < end ? last : end);
    return;
  }
  const int blocks = (a.y.c + kConvNr - 1) / kConvNr;
  // Pixels change fastest: a block's weights stay in the first cache.
  for (int b = 0; b < blocks; ++b) {
    for (int t = 0; t < tiles; ++t) {
      float* y[kSparseMr];
      for (int m = 0; m < kSparseMr; ++m) {
        const int64_t p = first + t * kSparseMr + m;
        y[m] = a.y.data + p / a.y.w * a.y.row + p % a.y.w * a.y.pixel;
      }
      block_of_channels(a, lists->tiles[t], lists->channels[t], lists->count[t], b, y);
    }
  }
}

int64_t groups_per_image(const ConvArgs& a) {
  return (static_cast<int64_t>(a.y.h) * a.y.w + kGroup - 1) / kGroup;
}

}  // namespace

// Groups end with their image, so that an image's numbers do not depend on its place in a batch.
int64_t squeeze_items(const ConvArgs& a) { return a.y.n * groups_per_image(a); }

void squeeze_f32(const ConvArgs& a, int64_t begin, int64_t end) {
  Lists lists;
  ConvArgs one = a;
  one.x.n = one.y.n = 1;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / groups_per_image(a);
    one.x.data = a.x.data + n * a.x.image;
    one.y.data = a.y.data + n * a.y.image;
    one_group(one, item % groups_per_image(a), &lists);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
