// Plain C++: one integer. The conversions to 16 bits wrap around.
#pragma once

namespace sqz {
namespace SQZ_ISA {

inline constexpr int kShorts = 1;

struct Shorts {
  int16_t value;
};

SQZ_INLINE Shorts as_shorts(int value) { return {static_cast<int16_t>(value)}; }
SQZ_INLINE Shorts load_shorts(const uint8_t* p) { return as_shorts(*p); }
SQZ_INLINE Shorts load_shorts(const int8_t* p) { return as_shorts(*p); }
SQZ_INLINE void store_shorts(int16_t* p, Shorts v) { *p = v.value; }
SQZ_INLINE Shorts add(Shorts a, Shorts b) { return as_shorts(a.value + b.value); }
SQZ_INLINE Shorts sub(Shorts a, Shorts b) { return as_shorts(a.value - b.value); }
SQZ_INLINE Shorts twice(Shorts a) { return as_shorts(a.value * 2); }
SQZ_INLINE Shorts four_times(Shorts a) { return as_shorts(a.value * 4); }

}  // namespace SQZ_ISA
}  // namespace sqz
