// Detects the instruction sets that this CPU and its operating system support. Only this module
// queries the CPU.
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
  bool neon = false, dotprod = false, i8mm = false;
  bool fp16 = false;  // arithmetic in half precision (ARMv8.2)
};

// A feature is false if the operating system does not save the registers that it needs.
const CpuFeatures& cpu_features();

std::vector<std::pair<std::string, bool>> feature_list(const CpuFeatures& features);

// The results of cpuid and xgetbv: words of cpuid's leaves, and XCR0, which tells what register
// state the operating system saves on a context switch.
struct X86Words {
  std::uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax;
  std::uint64_t saved;  // XCR0
};

// The features that can be used on an x86 processor with these results.
CpuFeatures x86_features(const X86Words& words);

}  // namespace sqz
