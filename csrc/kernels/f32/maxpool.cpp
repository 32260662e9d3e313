// Max pooling, see tiles/maxpool.h. An item is one output row.
#include "kernels/tiles/maxpool.h"

#include "kernels/f32/kernels.h"

namespace sqz {
namespace SQZ_ISA {

int64_t maxpool_f32_items(const MaxPoolArgs& args) {
  return static_cast<int64_t>(args.y.n) * args.y.h;
}

void maxpool_f32(const MaxPoolArgs& args, int64_t begin, int64_t end) {
  pool_rows(args, begin, end);
}

}  // namespace SQZ_ISA
}  // namespace sqz
