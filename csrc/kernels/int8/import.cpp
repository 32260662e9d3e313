// Normalized values of three planes become pixels of bytes.
#include "kernels/int8/kernels.h"
#include "kernels/simd/integers.h"
#include "kernels/simd/levels.h"

namespace sqz {
namespace SQZ_ISA {
namespace {

constexpr int kChannels = 3;

// Converts `count` pixels, at most kLevels.
void convert_part(const unsigned char* const* planes, int count, const ByteLevels* levels,
                  NotFinite& found, uint8_t* to) {
  float values[kChannels][kLevels] = {};
  const unsigned char* own[kChannels];
  uint8_t pixels[kChannels * kLevels + kLevelsMargin];
  for (int c = 0; c < kChannels; ++c) {
    memcpy(values[c], planes[c], count * sizeof(float));
    own[c] = reinterpret_cast<const unsigned char*>(values[c]);
  }
  convert_levels(own, levels, found, pixels);
  memcpy(to, pixels, count * kChannels);
}

}  // namespace

int32_t import_levels_i8(const void* planes, ptrdiff_t plane, ptrdiff_t count,
                         const ByteLevels* levels, uint8_t* to) {
  const unsigned char* const first = static_cast<const unsigned char*>(planes);
  const unsigned char* from[kChannels] = {first, first + plane, first + 2 * plane};
  NotFinite found = nothing_found();
  // What is written after the last pixel of a part must be inside the next one.
  for (; count >= kLevels + kLevelsMargin; count -= kLevels, to += kChannels * kLevels) {
    convert_levels(from, levels, found, to);
    for (int c = 0; c < kChannels; ++c) from[c] += kLevels * sizeof(float);
  }
  for (; count > 0; count -= kLevels, to += kChannels * kLevels) {
    convert_part(from, static_cast<int>(min<ptrdiff_t>(count, kLevels)), levels, found, to);
    for (int c = 0; c < kChannels; ++c) from[c] += kLevels * sizeof(float);
  }
  return is_found(found);
}

}  // namespace SQZ_ISA
}  // namespace sqz
