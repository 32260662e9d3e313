// Declares the pixel kernels of this instruction set.
#pragma once

#include "sqz/pixels.h"

namespace sqz {
namespace SQZ_ISA {

#define SQZ_KERNEL(result, name, parameters) result name parameters;
#include "sqz/pixels.def"

}  // namespace SQZ_ISA
}  // namespace sqz
