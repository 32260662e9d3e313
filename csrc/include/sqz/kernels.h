// The families of kernels. A family serves one part of a network: it has a list of kernels (*.def),
// their arguments, and a table for each instruction set. Each family is chosen separately, see
// core/dispatch.h.
#pragma once

#include "sqz/f32.h"
#include "sqz/pixels.h"

// FAMILY(name, table): the names are those of CMakeLists.txt and of the folders of kernels/.
#define SQZ_FAMILIES(FAMILY)  \
  FAMILY(f32, Float32Kernels) \
  FAMILY(pixels, PixelKernels)

namespace sqz {

// The tables that a network runs on: one of each family.
struct Kernels {
  const char* isa;  // the set that was asked for, or the best that a family has
#define SQZ_FAMILY(name, table) const table* name;
  SQZ_FAMILIES(SQZ_FAMILY)
#undef SQZ_FAMILY
};

}  // namespace sqz
