// The float32 kernels of this instruction set. core/dispatch finds the table by its namespace.
#include "kernels/f32/kernels.h"
#include "kernels/tuning/tuning.h"

namespace sqz {
namespace SQZ_ISA {

extern const Float32Kernels f32;
const Float32Kernels f32 = {
    SQZ_TEXT(SQZ_ISA),
#define SQZ_VALUE(name, constant) constant,
#define SQZ_KERNEL(result, name, parameters) name,
#include "sqz/f32.def"
};

}  // namespace SQZ_ISA
}  // namespace sqz
