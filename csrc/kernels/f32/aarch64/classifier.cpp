// The classifier for AArch64: 1x1 convolution, bias, ReLU and global average pooling.
//
// The h*w*classes map between convolution and pooling is never written. An item is kWalkBlocks
// blocks of classes of one image. Their sums stay in the L1 cache while the pixels are read. With
// the trained networks 86-93 % of the input is zero. So the nonzero channels of each pixel are
// listed first, with their values, once for all classes. A map without zeros is computed the same
// way, with a third more instructions than a dense tile would need. The order of summation does not
// depend on the number of threads or on the assignment of items to threads.
#include "kernels/f32/aarch64/sparse_list.h"
#include "kernels/f32/kernels.h"
#include "kernels/tiles/places.h"
#include "kernels/tiles/store.h"
#include "kernels/tiles/weights.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kClasses = kWalkBlocks * kConvNr;

// Number of channels that one call of list_pixel() lists.
constexpr int kSpan = 256;

// A pixel's list: its length, and for each listed channel the offset of its weights in bytes and its
// value. It is a multiple of kLanes long; channels with a value of zero fill it up.
struct List {
  int32_t* count;
  int32_t* offsets;
  float* values;
};

// Entries after the last: those that fill the list up, and those that a walk reads ahead.
constexpr int kPadding = 2 * kLanes;
static_assert(kPadding >= kLanes - 1 + kReadAhead, "room for both");

int64_t list_size(const ClassifierArgs& args) { return 1 + args.x.c + kPadding; }

// One cache line more than the values need. Otherwise the values of all pixels would share a few sets
// of the L1 cache where the number of channels is a power of two.
int64_t values_size(const ClassifierArgs& args) { return static_cast<int64_t>(args.x.c) + 16; }

List list_of(const ClassifierArgs& args, int64_t pixel) {
  int32_t* start = args.lists + pixel * list_size(args);
  return {start, start + 1, args.values + pixel * values_size(args)};
}

// sums[0:kClasses] += relu(bias + the pixel's products)
SQZ_NOINLINE void add_pixel(const List& list, const float* w, const float* bias,
                            ptrdiff_t next_block, float* sums) {
  Vec acc[1][kWalkBlocks * kConvNv];
  start_tile_at<1>(bias, acc);
  walk_entries(list.offsets, list.values, *list.count / kLanes, w, next_block, acc[0]);
  SQZ_UNROLL
  for (int v = 0; v < kWalkBlocks * kConvNv; ++v) {
    float* sum = sums + v * kLanes;
    store(sum, add(load(sum), max(acc[0][v], zero())));
  }
}

int blocks(const ClassifierArgs& args) { return ceil_div(args.classes, kConvNr); }
int64_t items_per_image(const ClassifierArgs& args) { return ceil_div(blocks(args), kWalkBlocks); }

}  // namespace

ClassifierSizes classifier_f32_sizes(const ClassifierArgs& args) {
  const int64_t pixels = args.x.n * pixels_per_image(args.x);
  return {pixels * list_size(args), pixels * values_size(args), kClasses * args.x.c};
}

int64_t classifier_list_f32_items(const ClassifierArgs& args) {
  return args.x.n * pixels_per_image(args.x);
}

void classifier_list_f32(const ClassifierArgs& args, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    const int64_t image = item / pixels_per_image(args.x), pixel = item % pixels_per_image(args.x);
    const float* x = pixel_at(args.x, image, pixel);
    const List list = list_of(args, item);
    uint16_t channels[kSpan + 8];
    int32_t count = 0;
    for (int first = 0; first < args.x.c; first += kSpan) {
      const int found = list_pixel(x + first, min(args.x.c - first, kSpan), channels);
      for (int entry = 0; entry < found; ++entry, ++count) {
        const int32_t channel = first + channels[entry];
        list.offsets[count] = channel * kConvNr * static_cast<int32_t>(sizeof(float));
        list.values[count] = x[channel];
      }
    }
    for (int i = 0; i < kPadding; ++i) list.offsets[count + i] = 0, list.values[count + i] = 0.0f;
    *list.count = ceil_div(count, kLanes) * kLanes;
  }
}

int64_t classifier_f32_items(const ClassifierArgs& args) {
  return args.x.n * items_per_image(args);
}

void classifier_f32(const ClassifierArgs& args, int64_t begin, int64_t end, float* widened) {
  const int64_t pixels = pixels_per_image(args.x);
  const ptrdiff_t next_block = static_cast<ptrdiff_t>(args.x.c) * kConvNr;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t image = item / items_per_image(args);
    const int block = static_cast<int>(item % items_per_image(args)) * kWalkBlocks;
    // Where only one block is left, it is computed twice.
    const int left = min(blocks(args) - block, kWalkBlocks), classes = left * kConvNr;
    const ptrdiff_t next = left == kWalkBlocks ? next_block : 0;
    const float* const w = rows_as_floats(args.w, block * next_block,
                                          static_cast<ptrdiff_t>(left) * args.x.c, widened);
    float bias[kClasses] = {}, sums[kClasses];
    memcpy(bias, args.b + block * kConvNr, classes * sizeof(float));
    for (int at = 0; at < kClasses; at += kLanes)
      store(sums + at,
            mul(max(load(bias + at), zero()), broadcast(static_cast<float>(args.border))));
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      const List list = list_of(args, image * pixels + pixel);
      add_pixel(list, w, bias, next, sums);
    }
    const Vec divisor = broadcast(static_cast<float>(pixels + args.border));
    for (int at = 0; at < classes; at += kLanes) {
      const int first = block * kConvNr + at;
      store_left(args.logits + image * args.classes + first, div(load(sums + at), divisor),
                 args.classes - first);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
