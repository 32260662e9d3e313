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

SQZ_INLINE int words_per_pixel(const ByteClassifierArgs& a) { return ceil_div(a.x.c, kGroup); }

// Word `i` of a pixel; the channels past the last one are zero.
SQZ_INLINE uint32_t input_word(const uint8_t* x, int channels, int i) {
  uint32_t word = 0;
  const int left = min(kGroup, channels - i * kGroup);
  for (int k = 0; k < left; ++k)
    word |= static_cast<uint32_t>(x[i * kGroup + k]) << (32 / kGroup * k);
  return word;
}

// A pixel's list: the number of entries, then the indices of the words. Its values: the sum of all
// bytes, then the words.
SQZ_INLINE int32_t* list_of(const ByteClassifierArgs& a, int64_t pixel) {
  return a.lists + pixel * (words_per_pixel(a) + 1);
}

SQZ_INLINE uint32_t* words_at(const ByteClassifierArgs& a, int64_t pixel) {
  return a.words + pixel * (words_per_pixel(a) + 1);
}

// sums[v] += products of all words in a pixel's list
SQZ_INLINE void multiply_list(const int32_t* list, int entries, const uint32_t* words,
                              const Weight* w, Sums* sums) {
  for (int e = 0; e < entries; ++e) {
    const Weight* row = w + static_cast<ptrdiff_t>(list[e]) * (kBlock * kGroup);
    const Word x = broadcast_word(words[e]);
    SQZ_UNROLL
    for (int v = 0; v < kListRegisters; ++v)
      sums[v] = dot_listed(sums[v], x, load_weights(row + v * kSums * kGroup));
  }
}

// totals[o] += sum over pixels [begin, end) of relu?(x . w[o] + b[o])
SQZ_NOINLINE void add_pixels(const ByteClassifierArgs& a, int64_t begin, int64_t end, int first,
                             int64_t* totals) {
  const Weight* w =
      static_cast<const Weight*>(a.w) + static_cast<ptrdiff_t>(first) * words_per_pixel(a) * kGroup;
  Sums total[kListRegisters];
  SQZ_UNROLL
  for (int v = 0; v < kListRegisters; ++v) total[v] = zero_sums();
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    Sums sums[kListRegisters];
    SQZ_UNROLL
    for (int v = 0; v < kListRegisters; ++v) sums[v] = load_sums(a.b + first + v * kSums);
    const int32_t* list = list_of(a, pixel);
    const uint32_t* words = words_at(a, pixel);
    if (kWeightOffset) {
      const Sums extra = broadcast_sum(static_cast<int32_t>(words[0]) * -kWeightOffset);
      SQZ_UNROLL
      for (int v = 0; v < kListRegisters; ++v) sums[v] = add_sums(sums[v], extra);
    }
    multiply_list(list + 1, *list, words + 1, w, sums);
    SQZ_UNROLL
    for (int v = 0; v < kListRegisters; ++v)
      total[v] = add_sums(total[v], a.relu ? positive(sums[v]) : sums[v]);
  }
  int32_t chunk[kBlock];
  SQZ_UNROLL
  for (int v = 0; v < kListRegisters; ++v) store_sums(chunk + v * kSums, total[v]);
  for (int o = 0; o < kBlock; ++o) totals[o] += chunk[o];
}

}  // namespace

int64_t classifier_i8_words(const ByteClassifierArgs& a) {
  return a.x.n * pixels_per_image(a.x) * (words_per_pixel(a) + 1);
}

int64_t classifier_list_i8_items(const ByteClassifierArgs& a) {
  return a.x.n * pixels_per_image(a.x);
}

void classifier_list_i8(const ByteClassifierArgs& a, int64_t begin, int64_t end) {
  const int64_t plane = pixels_per_image(a.x);
  const int words = words_per_pixel(a);
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const uint8_t* x = pixel_at(a.x, pixel / plane, pixel % plane);
    int32_t* list = list_of(a, pixel);
    uint32_t* values = words_at(a, pixel);
    int count = 0;
    uint32_t total = 0;
    for (int i = 0; i < words; ++i) {
      const uint32_t word = input_word(x, a.x.c, i);
      list[1 + count] = i;
      values[1 + count] = word;
      count += word != 0;
    }
    if (kWeightOffset)
      for (int c = 0; c < a.x.c; ++c) total += x[c];
    *list = count;
    *values = total;
  }
}

int64_t classifier_i8_items(const ByteClassifierArgs& a) {
  return static_cast<int64_t>(a.x.n) * ceil_div(a.classes, kBlock);
}

void classifier_i8(const ByteClassifierArgs& a, int64_t begin, int64_t end) {
  const int64_t plane = pixels_per_image(a.x);
  const int blocks = ceil_div(a.classes, kBlock);
  for (; begin < end; ++begin) {
    const int64_t n = begin / blocks;
    const int first = static_cast<int>(begin % blocks) * kBlock;
    int64_t totals[kBlock] = {};
    for (int64_t pixel = 0; pixel < plane; pixel += a.flush)
      add_pixels(a, n * plane + pixel, n * plane + min(pixel + a.flush, plane), first, totals);
    for (int o = first; o < min(first + kBlock, a.classes); ++o) {
      const int64_t each = a.relu && a.border_sum[o] < 0 ? 0 : a.border_sum[o];
      const double total = static_cast<double>(totals[o - first] + a.border * each);
      a.logits[n * a.classes + o] = static_cast<float>(total * static_cast<double>(a.scale[o]) /
                                                       static_cast<double>(plane + a.border));
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
