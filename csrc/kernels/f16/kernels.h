// Declares the float16 kernels of this instruction set.
#pragma once

#include "sqz/f16.h"

namespace sqz {
namespace SQZ_ISA {

#define SQZ_KERNEL(result, name, parameters) result name parameters;
#include "sqz/f16.def"

}  // namespace SQZ_ISA
}  // namespace sqz
