// The float16 kernels of this instruction set. core/dispatch finds the table by its namespace.
#include "kernels/f16/kernels.h"
#include "kernels/f16/tile.h"

namespace sqz {
namespace SQZ_ISA {

extern const Float16Kernels f16;
const Float16Kernels f16 = {
    SQZ_TEXT(SQZ_ISA),
#define SQZ_VALUE(name, constant) constant,
#define SQZ_KERNEL(result, name, parameters) name,
#include "sqz/f16.def"
};

}  // namespace SQZ_ISA
}  // namespace sqz
