// The sum of a fire and its bypass, on bytes. It is compiled without fused operations, which would
// round differently. The compiler vectorizes the loops over channels.
#include <string.h>

#include "kernels/int8/kernels.h"
#include "kernels/tiles/places.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

// z: the bytes or sums of a pixel
template <typename T>
void add_pixel(const ByteSumArgs& a, const T* z, uint8_t* y) {
  const float *fire = a.fire, *around = a.around;
  const int channels = a.y.c, zero = a.zero;
  const uint32_t around_zero = static_cast<uint32_t>(a.around_zero);
  for (int c = 0; c < channels; ++c) {
    const int32_t shifted = static_cast<int32_t>(static_cast<uint32_t>(z[c]) - around_zero);
    float v = static_cast<float>(y[c]) * fire[c] + static_cast<float>(shifted) * around[c];
    // Adding 1.5 * 2^23 rounds to the nearest integer, to the even one if two are equally near. A
    // value beyond these limits is clipped in any case.
    v = v > -512.0f ? v : -512.0f;
    v = v < 512.0f ? v : 512.0f;
    v += 12582912.0f;
    int32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    int32_t level = bits - 0x4b400000 + zero;  // the bits of 1.5 * 2^23
    level = level > 0 ? level : 0;
    y[c] = static_cast<uint8_t>(level < 255 ? level : 255);
  }
}

}  // namespace

void add_i8(const ByteSumArgs& a, int64_t begin, int64_t end) {
  const int64_t plane = pixels_per_image(a.y);
  for (int64_t i = begin; i < end; ++i) {
    const int64_t n = i / plane, p = i % plane;
    uint8_t* y = pixel_at(a.y, n, p);
    if (a.sums)
      add_pixel(a, a.sums + (i - begin) * a.y.c, y);
    else
      add_pixel(a, pixel_at(a.x, n, p), y);
  }
}

}  // namespace SQZ_ISA
}  // namespace sqz
