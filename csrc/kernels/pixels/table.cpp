// The pixel kernels of this instruction set. core/dispatch finds the table by its namespace.
#include "kernels/pixels/kernels.h"
#include "kernels/simd/compiler.h"

namespace sqz {
namespace SQZ_ISA {

extern const PixelKernels pixels;
const PixelKernels pixels = {
    kPixelKernelsVersion,
    SQZ_TEXT(SQZ_ISA),
#define SQZ_KERNEL(result, name, parameters) name,
#include "sqz/pixels.def"
};

}  // namespace SQZ_ISA
}  // namespace sqz
