// What this CPU and its operating system can run. Nothing else in the project probes.
#pragma once

#include <cstdint>
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

std::vector<std::pair<std::string, bool>> feature_list(const CpuFeatures& features);

// What cpuid and xgetbv say: the leaves' words and XCR0, the register files that the operating
// system saves on a context switch.
struct X86Words {
  std::uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax;
  std::uint64_t saved;
};

// What may be used of an x86 processor that answers like this.
CpuFeatures x86_features(const X86Words& words);

}  // namespace sqz
