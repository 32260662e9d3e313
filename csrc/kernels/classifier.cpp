// The classifier: 1x1 convolution, bias, ReLU and the average over the map, in one sweep.
//
// The h*w*classes map between convolution and average is never written: an item is one block of
// kConvNr classes of one image, whose sums stay in registers while the pixels go by, kConvMr at
// a time. The order of summation does not depend on the number of threads.
#include "vec.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

void block_of_classes(const ClassifierArgs& a, const float* image, const float* w, const float* b,
                      float* logits, int classes) {
  Vec bias[kConvNv], sum[kConvNv];
  for (int v = 0; v < kConvNv; ++v) {
    bias[v] = load(b + v * kLanes);
    sum[v] = mul(max(bias[v], zero()), broadcast(static_cast<float>(a.border)));
  }
  const int64_t pixels = static_cast<int64_t>(a.x.h) * a.x.w;
  for (int64_t p = 0; p < pixels; p += kConvMr) {
    const float* x[kConvMr];
    const int tile = static_cast<int>(pixels - p < kConvMr ? pixels - p : kConvMr);
    for (int m = 0; m < kConvMr; ++m) {
      const int64_t q = p + (m < tile ? m : tile - 1);
      x[m] = image + q / a.x.w * a.x.row + q % a.x.w * a.x.pixel;
    }
    Vec acc[kConvMr][kConvNv];
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) {
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) acc[m][v] = bias[v];
    }
    const float* wk = w;
    for (int k = 0; k < a.x.c; ++k, wk += kConvNr) {
      Vec wv[kConvNv];
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) wv[v] = load(wk + v * kLanes);
      SQZ_UNROLL
      for (int m = 0; m < kConvMr; ++m) {
        const Vec xv = broadcast(x[m][k]);
        SQZ_UNROLL
        for (int v = 0; v < kConvNv; ++v) acc[m][v] = fma(xv, wv[v], acc[m][v]);
      }
    }
    SQZ_UNROLL
    for (int m = 0; m < kConvMr; ++m) {
      if (m >= tile) break;
      SQZ_UNROLL
      for (int v = 0; v < kConvNv; ++v) sum[v] = add(sum[v], max(acc[m][v], zero()));
    }
  }
  const Vec divisor = broadcast(static_cast<float>(pixels + a.border));
  for (int v = 0; v < kConvNv; ++v) {
    const int left = classes - v * kLanes;
    if (left > 0) store_n(logits + v * kLanes, div(sum[v], divisor), left < kLanes ? left : kLanes);
  }
}

int blocks(const ClassifierArgs& a) { return (a.classes + kConvNr - 1) / kConvNr; }

}  // namespace

int64_t classifier_items(const ClassifierArgs& a) {
  return static_cast<int64_t>(a.x.n) * blocks(a);
}

void classifier_f32(const ClassifierArgs& a, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t n = i / blocks(a);
    const int o = static_cast<int>(i % blocks(a));
    block_of_classes(a, a.x.data + n * a.x.image, a.w + static_cast<ptrdiff_t>(o) * a.x.c * kConvNr,
                     a.b + o * kConvNr, a.logits + n * a.classes + o * kConvNr,
                     a.classes - o * kConvNr);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
