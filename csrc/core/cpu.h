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

// A set is false if the operating system does not save its registers.
const CpuFeatures& cpu_features();

std::vector<std::pair<std::string, bool>> feature_list(const CpuFeatures& features);

// What cpuid and xgetbv say: the leaves' words and XCR0, the register files that the operating
// system saves on a context switch.
struct X86Words {
  std::uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax;
  std::uint64_t saved;
};

// What a program may use on an x86 processor with these answers.
CpuFeatures x86_features(const X86Words& words);

}  // namespace sqz
