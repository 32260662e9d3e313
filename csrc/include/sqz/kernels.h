// The families of kernels. A family holds the kernels of an instruction set for one part of a
// network: the list of kernels (*.def), their arguments and their table. Each family is chosen
// separately, see core/dispatch.h.
#pragma once

#include "sqz/f16.h"
#include "sqz/f32.h"
#include "sqz/int8.h"
#include "sqz/pixels.h"

// FAMILY(name, table): CMakeLists.txt and the folders in kernels/ use the same names.
#define SQZ_FAMILIES(FAMILY)  \
  FAMILY(f16, Float16Kernels) \
  FAMILY(f32, Float32Kernels) \
  FAMILY(int8, Int8Kernels)   \
  FAMILY(pixels, PixelKernels)

namespace sqz {

// The tables that a network uses, one for each family.
struct Kernels {
  const char* isa;  // the requested set, or the best set with a table of any family
#define SQZ_FAMILY(name, table) const table* name;
  SQZ_FAMILIES(SQZ_FAMILY)
#undef SQZ_FAMILY
};

}  // namespace sqz
