// What this CPU and its operating system can run. Nothing else in the project probes.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sqz {

struct CpuFeatures {
  bool avx2 = false, fma = false, f16c = false;
  bool avx512 = false;  // F, BW, DQ and VL together
  bool avx512_vnni = false, avx_vnni = false;
  bool neon = false;
};

// False for every set whose registers the operating system does not save.
const CpuFeatures& cpu_features();

std::vector<std::pair<std::string, bool>> cpu_feature_list();

}  // namespace sqz
