// 1x1 convolution, stride 1, that skips the zeros of its input: the squeeze.
//
// An item is a group of pixels, a whole number of tiles both of the sparse and of the dense
// kernel. The group's channels are listed first, which costs a few per cent of the product; where
// the lists are too long to pay, which the first few show, the dense kernel takes the whole group.
#include "sparse.h"

namespace sqz {
namespace SQZ_ISA {

int64_t conv_items(const ConvArgs&);
void conv_f32(const ConvArgs&, int64_t, int64_t);

namespace {

constexpr int kTiles = kConvMr == 5 ? 10 : 12;
constexpr int kGroup = kTiles * kSparseMr, kDenseTiles = kGroup / kConvMr;
static_assert(kDenseTiles * kConvMr == kGroup, "a group is a whole number of dense tiles, too");

// Lists of more channels would not fit on the stack: such layers, which no SqueezeNet has, go
// dense.
constexpr int kMaxChannels = 768;

struct Lists {
  SparseTile tiles[kTiles];
  float* y[kTiles][kSparseMr];
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

// Where the tiles of a group are read and written, from pixel `first` on. Counting rows and columns
// up saves a division a pixel, which would take as long as a tenth of the products.
void place_tiles(const ConvArgs& a, int64_t first, int tiles, Lists* lists) {
  int64_t left = static_cast<int64_t>(a.y.h) * a.y.w - first;
  int row = static_cast<int>(first / a.y.w), column = static_cast<int>(first % a.y.w);
  for (int t = 0; t < tiles; ++t) {
    SparseTile& tile = lists->tiles[t];
    tile.pixels = static_cast<int>(left < kSparseMr ? left : kSparseMr);
    for (int m = 0; m < kSparseMr; ++m) {
      tile.x[m] = a.x.data + row * a.x.row + column * a.x.pixel;
      lists->y[t][m] = a.y.data + row * a.y.row + column * a.y.pixel;
      if (--left > 0 && ++column == a.y.w) column = 0, ++row;
    }
  }
}

// Lists the channels of a group's tiles; false where they are too many for the lists to pay.
bool list_group(const ConvArgs& a, int tiles, Lists* lists) {
  // Making the lists costs the same for few outputs as for many, so few need shorter lists.
  const float limit = kDenseFrom - 4.0f / static_cast<float>(a.y.c);
  int entries = 0;
  for (int t = 0; t < tiles; ++t) {
    lists->count[t] = list_channels(lists->tiles[t], a.x.c, lists->channels[t]);
    entries += lists->count[t];
    // The first tiles tell a dense group from another, and spare it most of the lists.
    if (t != tiles / 4 && t != tiles - 1) continue;
    const float all = static_cast<float>(t + 1) * static_cast<float>(a.x.c);
    if (static_cast<float>(entries) > limit * all) return false;
  }
  return true;
}

// `a` holds one image.
void one_group(const ConvArgs& a, int64_t group, Lists* lists) {
  const int64_t pixels = static_cast<int64_t>(a.y.h) * a.y.w, first = group * kGroup;
  const int64_t left = (pixels - first + kSparseMr - 1) / kSparseMr;
  const int tiles = static_cast<int>(left < kTiles ? left : kTiles);
  place_tiles(a, first, tiles, lists);
  if (a.x.c > kMaxChannels || !list_group(a, tiles, lists)) {
    const int64_t last = (group + 1) * kDenseTiles, end = conv_items(a);
    conv_f32(a, group * kDenseTiles, last < end ? last : end);
    return;
  }
  const int blocks = (a.y.c + kConvNr - 1) / kConvNr;
  // Pixels change fastest: a block's weights stay in the first cache.
  for (int b = 0; b < blocks; ++b) {
    for (int t = 0; t < tiles; ++t) {
      block_of_channels(a, lists->tiles[t], lists->channels[t], lists->count[t], b, lists->y[t]);
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
