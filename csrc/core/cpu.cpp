#include "core/cpu.h"

#include <cstdint>

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#define SQZ_X86 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#elif defined(__linux__) && defined(__arm__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace sqz {
namespace {

constexpr int kOsxsave = 27;

bool bit(std::uint32_t word, int n) { return (word >> n) & 1; }

#if defined(SQZ_X86)
struct Registers {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Zeros for a leaf that the processor does not have.
Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  Registers r;
#if defined(_MSC_VER)
  int out[4];
  __cpuid(out, 0);
  if (static_cast<std::uint32_t>(out[0]) < leaf) return r;
  __cpuidex(out, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {std::uint32_t(out[0]), std::uint32_t(out[1]), std::uint32_t(out[2]), std::uint32_t(out[3])};
#else
  if (!__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx)) return {};
#endif
  return r;
}

std::uint64_t saved_state() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  std::uint32_t lo, hi;
  __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return (std::uint64_t(hi) << 32) | lo;
#endif
}

CpuFeatures probe() {
  const Registers one = cpuid(1, 0), seven = cpuid(7, 0), seven_one = cpuid(7, 1);
  // Without OSXSAVE, the system saves no state, and the instruction that reads it does not exist.
  const std::uint64_t saved = bit(one.ecx, kOsxsave) ? saved_state() : 0;
  return x86_features({one.ecx, seven.ebx, seven.ecx, seven_one.eax, saved});
}
#else
CpuFeatures probe() {
  CpuFeatures f;
#if defined(__aarch64__) || defined(_M_ARM64)
  f.neon = true;
#elif defined(__linux__) && defined(__arm__)
  const unsigned long caps = getauxval(AT_HWCAP);
  f.neon = (caps & HWCAP_NEON) && (caps & HWCAP_VFPv4);
#endif
  return f;
}
#endif

}  // namespace

CpuFeatures x86_features(const X86Words& w) {
  CpuFeatures f;
  if (!bit(w.leaf1_ecx, kOsxsave)) return f;
  const bool ymm = (w.saved & 0x6) == 0x6, zmm = (w.saved & 0xe6) == 0xe6;
  const bool avx = ymm && bit(w.leaf1_ecx, 28);
  f.fma = avx && bit(w.leaf1_ecx, 12);
  f.f16c = avx && bit(w.leaf1_ecx, 29);
  f.avx2 = avx && bit(w.leaf7_ebx, 5);
  f.avx512 = avx && zmm && bit(w.leaf7_ebx, 16) && bit(w.leaf7_ebx, 17) && bit(w.leaf7_ebx, 30) &&
             bit(w.leaf7_ebx, 31);
  f.avx512_vnni = f.avx512 && bit(w.leaf7_ecx, 11);
  f.avx_vnni = f.avx2 && bit(w.leaf7_1_eax, 4);
  return f;
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = probe();
  return features;
}

std::vector<std::pair<std::string, bool>> feature_list(const CpuFeatures& f) {
  return {{"avx2", f.avx2},
          {"fma", f.fma},
          {"f16c", f.f16c},
          {"avx512", f.avx512},
          {"avx512_vnni", f.avx512_vnni},
          {"avx_vnni", f.avx_vnni},
          {"neon", f.neon}};
}

}  // namespace sqz
