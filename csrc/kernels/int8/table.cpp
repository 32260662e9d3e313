// The int8 kernels of this instruction set. core/dispatch finds the table by its namespace.
#include "kernels/int8/kernels.h"
#include "kernels/simd/dot.h"

namespace sqz {
namespace SQZ_ISA {

extern const Int8Kernels int8;
const Int8Kernels int8 = {
    SQZ_TEXT(SQZ_ISA),
#define SQZ_VALUE(name, constant) constant,
#define SQZ_KERNEL(result, name, parameters) name,
#if defined(SQZ_TILE)
#define SQZ_OPTIONAL(result, name, parameters) nullptr,
#endif
#include "sqz/int8.def"
};

}  // namespace SQZ_ISA
}  // namespace sqz
