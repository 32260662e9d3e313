// Declares the float32 kernels of this instruction set.
#pragma once

#include "sqz/f32.h"

namespace sqz {
namespace SQZ_ISA {

#define SQZ_KERNEL(result, name, parameters) result name parameters;
#include "sqz/f32.def"

}  // namespace SQZ_ISA
}  // namespace sqz
