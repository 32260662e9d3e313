// Declares the int8 kernels of this instruction set.
#pragma once

#include "sqz/int8.h"

namespace sqz {
namespace SQZ_ISA {

#define SQZ_KERNEL(result, name, parameters) result name parameters;
#include "sqz/int8.def"

}  // namespace SQZ_ISA
}  // namespace sqz
