// The element-wise sum of two maps of floats or halves.
#pragma once

#include "kernels/simd/vec.h"

namespace sqz {
namespace SQZ_ISA {

// Computes the rows [begin, end), counted over all images.
template <typename Args>
SQZ_INLINE void add_rows(const Args& args, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    const ptrdiff_t image = item / args.y.h, row = item % args.y.h;
    for (int column = 0; column < args.y.w; ++column) {
      const Value* left =
          args.a.data + image * args.a.image + row * args.a.row + column * args.a.pixel;
      const Value* right =
          args.b.data + image * args.b.image + row * args.b.row + column * args.b.pixel;
      Value* y = args.y.data + image * args.y.image + row * args.y.row + column * args.y.pixel;
      int channel = 0;
      for (; channel + kLanes <= args.y.c; channel += kLanes)
        store(y + channel, add(load(left + channel), load(right + channel)));
      if (const int rest = args.y.c - channel)
        store_n(y + channel, add(load_n(left + channel, rest), load_n(right + channel, rest)),
                rest);
    }
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
