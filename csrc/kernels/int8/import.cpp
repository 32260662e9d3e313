// Normalized values of three planes become pixels of bytes. Compilers vectorize the loops over a chunk.
#include <string.h>

#include "kernels/int8/kernels.h"
#include "kernels/simd/integers.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr ptrdiff_t kChunk = 64;  // values that are converted together

// The levels of `count` adjacent values, at most kChunk, shifted by 8 * kChannel bits, are added to
// `pixels`. Adding 1.5 * 2^23 rounds to the nearest integer, to the even one if two are equally near.
// Returns 1 if a value is not finite, else 0.
template <int kChannel>
SQZ_INLINE int32_t add_channel(const unsigned char* values, ptrdiff_t count, const ByteLevels& to,
                               uint32_t* pixels) {
  float from[kChunk];
  uint32_t bits[kChunk];
  if (count == kChunk) {
    memcpy(from, values, sizeof(from));
  } else {
    memset(from, 0, sizeof(from));
    memcpy(from, values, static_cast<size_t>(count) * sizeof(float));
  }
  memcpy(bits, from, sizeof(bits));
  int32_t bad = 0;
  for (ptrdiff_t i = 0; i < kChunk; ++i) bad |= (bits[i] & 0x7fffffff) > 0x7f7fffff;
  if (to.step != 1.0f)
    for (ptrdiff_t i = 0; i < kChunk; ++i) from[i] /= to.step;
  for (ptrdiff_t i = 0; i < kChunk; ++i) {
    const float level = from[i] + to.rest;
    const float raised = level > to.lowest ? level : to.lowest;
    from[i] = (raised < to.highest ? raised : to.highest) + 12582912.0f;
  }
  memcpy(bits, from, sizeof(bits));
  const uint32_t whole = static_cast<uint32_t>(to.whole);
  for (ptrdiff_t i = 0; i < kChunk; ++i) {
    const uint32_t level = ((bits[i] + whole) & 255) << 8 * kChannel;
    pixels[i] = kChannel == 0 ? level : pixels[i] | level;
  }
  return bad;
}

}  // namespace

int32_t import_levels_i8(const void* planes, ptrdiff_t plane, ptrdiff_t count,
                         const ByteLevels* levels, uint8_t* to) {
  const unsigned char* from = static_cast<const unsigned char*>(planes);
  int32_t bad = 0;
  for (ptrdiff_t left; count > 0;
       count -= left, from += left * static_cast<ptrdiff_t>(sizeof(float))) {
    left = min(kChunk, count);
    uint32_t pixels[kChunk];
    bad |= add_channel<0>(from, left, levels[0], pixels);
    bad |= add_channel<1>(from + plane, left, levels[1], pixels);
    bad |= add_channel<2>(from + 2 * plane, left, levels[2], pixels);
    // Each pixel is written with a byte too many, except for the last one.
    for (ptrdiff_t i = 0; i + 1 < left; ++i, to += 3) memcpy(to, pixels + i, 4);
    memcpy(to, pixels + left - 1, 3);
    to += 3;
  }
  return bad;
}

}  // namespace SQZ_ISA
}  // namespace sqz
