// The classifier on bytes: 1x1 convolution, ReLU and global average, which skips zeros.
//
// After a ReLU most inputs are zero, so each pixel first lists its input words that are not zero.
// An item of the second part is a block of output channels of one image. It adds up the products of
// the listed words, pixel by pixel, and the sums of all pixels, with the ReLU only the positive ones.
#include "kernels/int8/kernels.h"
#include "kernels/simd/dot.h"
#include "kernels/tiles/places.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// Output channels of an item. The last block may have channels that do not exist.
constexpr int kBlock = kListRegisters * kSums;

SQZ_INLINE int words_per_pixel(const ByteClassifierArgs& args) {
  return ceil_div(args.x.c, kListGroup);
}

// Word `i` of a pixel; the channels past the last one are zero.
SQZ_INLINE uint32_t input_word(const uint8_t* x, int channels, int i) {
  uint32_t word = 0;
  const int left = min(kListGroup, channels - i * kListGroup);
  for (int k = 0; k < left; ++k)
    word |= static_cast<uint32_t>(x[i * kListGroup + k]) << (32 / kListGroup * k);
  return word;
}

// A pixel's list: the number of entries, then the indices of the words. Its values: the sum of all
// bytes, then the words.
SQZ_INLINE int32_t* list_of(const ByteClassifierArgs& args, int64_t pixel) {
  return args.lists + pixel * (words_per_pixel(args) + 1);
}

SQZ_INLINE uint32_t* words_at(const ByteClassifierArgs& args, int64_t pixel) {
  return args.words + pixel * (words_per_pixel(args) + 1);
}

// totals[o] += sum over pixels [begin, end) of relu?(x . w[o] + b[o])
SQZ_NOINLINE void add_pixels(const ByteClassifierArgs& args, int64_t begin, int64_t end, int first,
                             int64_t* totals) {
  const Weight* w = static_cast<const Weight*>(args.w) +
                    static_cast<ptrdiff_t>(first) * words_per_pixel(args) * kListGroup;
  Sums total[kListRegisters];
  SQZ_UNROLL
  for (int v = 0; v < kListRegisters; ++v) total[v] = zero_sums();
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const int32_t* list = list_of(args, pixel);
    const uint32_t* words = words_at(args, pixel);
    add_listed(list + 1, *list, words + 1, w, args.b + first,
               static_cast<int32_t>(words[0]) * -kWeightOffset, args.relu, total);
  }
  int32_t chunk[kBlock];
  SQZ_UNROLL
  for (int v = 0; v < kListRegisters; ++v) store_sums(chunk + v * kSums, total[v]);
  for (int o = 0; o < kBlock; ++o) totals[o] += chunk[o];
}

}  // namespace

int64_t classifier_i8_words(const ByteClassifierArgs& args) {
  return args.x.n * pixels_per_image(args.x) * (words_per_pixel(args) + 1);
}

int64_t classifier_list_i8_items(const ByteClassifierArgs& args) {
  return args.x.n * pixels_per_image(args.x);
}

void classifier_list_i8(const ByteClassifierArgs& args, int64_t begin, int64_t end) {
  const int64_t plane = pixels_per_image(args.x);
  const int words = words_per_pixel(args);
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const uint8_t* x = pixel_at(args.x, pixel / plane, pixel % plane);
    int32_t* list = list_of(args, pixel);
    uint32_t* values = words_at(args, pixel);
    int count = 0;
    uint32_t total = 0;
    int i = 0;
    if (kListGroup == 4)
      for (; (i + kListedWords) * kListGroup <= args.x.c; i += kListedWords)
        count += list_words(x + i * kListGroup, i, list + 1 + count, values + 1 + count);
    for (; i < words; ++i) {
      const uint32_t word = input_word(x, args.x.c, i);
      list[1 + count] = i;
      values[1 + count] = word;
      count += word != 0;
    }
    if (kWeightOffset)
      for (int c = 0; c < args.x.c; ++c) total += x[c];
    *list = count;
    *values = total;
  }
}

int64_t classifier_i8_items(const ByteClassifierArgs& args) {
  return static_cast<int64_t>(args.x.n) * ceil_div(args.classes, kBlock);
}

void classifier_i8(const ByteClassifierArgs& args, int64_t begin, int64_t end) {
  const int64_t plane = pixels_per_image(args.x);
  const int blocks = ceil_div(args.classes, kBlock);
  for (; begin < end; ++begin) {
    const int64_t n = begin / blocks;
    const int first = static_cast<int>(begin % blocks) * kBlock;
    int64_t totals[kBlock] = {};
    for (int64_t pixel = 0; pixel < plane; pixel += args.flush)
      add_pixels(args, n * plane + pixel, n * plane + min(pixel + args.flush, plane), first,
                 totals);
    for (int o = first; o < min(first + kBlock, args.classes); ++o) {
      const int64_t each = args.relu && args.border_sum[o] < 0 ? 0 : args.border_sum[o];
      const double total = static_cast<double>(totals[o - first] + args.border * each);
      args.logits[n * args.classes + o] = static_cast<float>(
          total * static_cast<double>(args.scale[o]) / static_cast<double>(plane + args.border));
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
