#include "core/cpu.h"

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#define SQZ_X86 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#elif defined(__linux__) && (defined(__arm__) || defined(__aarch64__))
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(_WIN32)
#include <windows.h>
#endif

// Older headers lack it.
#if defined(__linux__) && defined(__aarch64__) && !defined(HWCAP2_I8MM)
#define HWCAP2_I8MM (1 << 13)
#endif

namespace sqz {
namespace {

constexpr int kOsxsave = 27;

#if defined(_WIN32) && !defined(SQZ_X86)
// PF_ARM_V82_FP16_INSTRUCTIONS_AVAILABLE, which headers before Windows 11 24H2 lack.
constexpr DWORD kFp16Feature = 67;
#endif

bool bit(std::uint32_t word, int n) { return (word >> n) & 1; }

#if defined(SQZ_X86)
struct Registers {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Returns zeros if the processor does not have the leaf.
Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  Registers registers;
#if defined(_MSC_VER)
  int out[4];
  __cpuid(out, 0);
  if (static_cast<std::uint32_t>(out[0]) < leaf) return registers;
  __cpuidex(out, static_cast<int>(leaf), static_cast<int>(subleaf));
  registers = {std::uint32_t(out[0]), std::uint32_t(out[1]), std::uint32_t(out[2]),
               std::uint32_t(out[3])};
#else
  if (!__get_cpuid_count(leaf, subleaf, &registers.eax, &registers.ebx, &registers.ecx,
                         &registers.edx))
    return {};
#endif
  return registers;
}

std::uint64_t saved_state() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t(high) << 32) | low;
#endif
}

CpuFeatures probe() {
  const Registers one = cpuid(1, 0), seven = cpuid(7, 0), seven_one = cpuid(7, 1);
  // Without OSXSAVE, xgetbv does not exist and the operating system saves no extended state.
  const std::uint64_t saved = bit(one.ecx, kOsxsave) ? saved_state() : 0;
  return x86_features({one.ecx, seven.ebx, seven.ecx, seven_one.eax, saved});
}
#else
#if defined(__APPLE__)
bool has(const char* feature) {
  int value = 0;
  std::size_t size = sizeof(value);
  return sysctlbyname(feature, &value, &size, nullptr, 0) == 0 && value != 0;
}
#endif

CpuFeatures probe() {
  CpuFeatures features;
#if defined(__aarch64__) || defined(_M_ARM64)
  features.neon = true;
#if defined(__linux__)
  features.dotprod = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
  features.fp16 = getauxval(AT_HWCAP) & HWCAP_ASIMDHP;
  features.i8mm = getauxval(AT_HWCAP2) & HWCAP2_I8MM;
#elif defined(__APPLE__)
  features.dotprod = has("hw.optional.arm.FEAT_DotProd");
  features.i8mm = has("hw.optional.arm.FEAT_I8MM");
  features.fp16 = has("hw.optional.arm.FEAT_FP16");
#elif defined(_WIN32)
  features.fp16 = IsProcessorFeaturePresent(kFp16Feature);
#endif
#elif defined(__linux__) && defined(__arm__)
  const unsigned long caps = getauxval(AT_HWCAP);
  features.neon = (caps & HWCAP_NEON) && (caps & HWCAP_VFPv4);
#endif
  return features;
}
#endif

}  // namespace

CpuFeatures x86_features(const X86Words& words) {
  CpuFeatures features;
  if (!bit(words.leaf1_ecx, kOsxsave)) return features;
  const bool ymm = (words.saved & 0x6) == 0x6, zmm = (words.saved & 0xe6) == 0xe6;
  const bool avx = ymm && bit(words.leaf1_ecx, 28);
  features.fma = avx && bit(words.leaf1_ecx, 12);
  features.f16c = avx && bit(words.leaf1_ecx, 29);
  features.avx2 = avx && bit(words.leaf7_ebx, 5);
  features.avx512 = avx && zmm && bit(words.leaf7_ebx, 16) && bit(words.leaf7_ebx, 17) &&
                    bit(words.leaf7_ebx, 30) && bit(words.leaf7_ebx, 31);
  features.avx512_vnni = features.avx512 && bit(words.leaf7_ecx, 11);
  features.avx_vnni = features.avx2 && bit(words.leaf7_1_eax, 4);
  return features;
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = probe();
  return features;
}

std::vector<std::pair<std::string, bool>> feature_list(const CpuFeatures& features) {
  return {{"avx2", features.avx2},
          {"fma", features.fma},
          {"f16c", features.f16c},
          {"avx512", features.avx512},
          {"avx512_vnni", features.avx512_vnni},
          {"avx_vnni", features.avx_vnni},
          {"neon", features.neon},
          {"dotprod", features.dotprod},
          {"i8mm", features.i8mm},
          {"fp16", features.fp16}};
}

}  // namespace sqz
