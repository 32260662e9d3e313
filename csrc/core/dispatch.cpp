#include "core/dispatch.h"

#include <type_traits>

#include "core/cpu.h"

namespace sqz {

// CMakeLists.txt generates compiled_kernels.def: one SQZ_COMPILED(family, isa) for each table in
// this build. A table has the name of its family and is in the namespace of its instruction set.
#define SQZ_COMPILED(family, isa)                                       \
  namespace isa {                                                       \
  extern const std::remove_pointer_t<decltype(Kernels::family)> family; \
  }
#include "compiled_kernels.def"
#undef SQZ_COMPILED

namespace {

Kernels compiled_for(const std::string& isa) {
  Kernels own{};
#define SQZ_COMPILED(family, set) \
  if (isa == #set) own.isa = #set, own.family = &set::family;
#include "compiled_kernels.def"
#undef SQZ_COMPILED
  return own;
}

// Applies the rule of dispatch.h, starting at the set with index `first`.
Kernels choose(const std::vector<InstructionSet>& sets, std::size_t first) {
  Kernels chosen{};
  for (std::size_t i = first; i < sets.size(); ++i) {
    if (!sets[i].runnable) continue;
    const Kernels& own = sets[i].compiled;
    if (!chosen.isa) chosen.isa = own.isa;
#define SQZ_FAMILY(name, table) \
  if (!chosen.name) chosen.name = own.name;
    SQZ_FAMILIES(SQZ_FAMILY)
#undef SQZ_FAMILY
  }
  return chosen;
}

}  // namespace

std::vector<InstructionSet> instruction_sets() {
  const CpuFeatures& features = cpu_features();
  const bool avx2 = features.avx2 && features.fma && features.f16c;
#if defined(SQZ_SIMDE)
  const bool avx512 = avx2;
  const char* avx512_needs = "AVX2, FMA and F16C, with which SIMDe emulates AVX-512";
  const bool avx512_vnni = avx512;
  const char* avx512_vnni_needs = avx512_needs;
  const bool avx_vnni = avx512;
#else
  const bool avx_vnni = features.avx_vnni;
  const bool avx512_vnni = features.avx512_vnni && avx2;
  const char* avx512_vnni_needs = "AVX-512 F, BW, DQ, VL and VNNI";
  const bool avx512 = features.avx512 && avx2;
  const char* avx512_needs = "AVX-512 F, BW, DQ and VL";
#endif
  std::vector<InstructionSet> sets = {
      {"avx512_vnni", avx512_vnni, avx512_vnni_needs, {}},
      {"avx512", avx512, avx512_needs, {}},
      {"avx_vnni", avx_vnni, "AVX2 and AVX-VNNI", {}},
      {"avx2", avx2, "AVX2, FMA and F16C", {}},
      {"neon_i8mm", features.neon && features.i8mm, "NEON with products of 8-bit integers", {}},
      {"neon_dotprod", features.neon && features.dotprod, "NEON with dot products", {}},
      {"neon_fp16", features.neon && features.fp16, "NEON with half-precision arithmetic", {}},
      {"neon", features.neon, "NEON, on ARMv7 with VFPv4", {}},
      {"scalar", true, "nothing", {}},
  };
  for (InstructionSet& set : sets) set.compiled = compiled_for(set.name);
  return sets;
}

Kernels best_kernels() { return choose(instruction_sets(), 0); }

Kernels kernels_named(const std::string& isa) {
  const std::vector<InstructionSet> sets = instruction_sets();
  std::string known;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const InstructionSet& set = sets[i];
    known += (i == 0 ? "" : ", ") + std::string(set.name);
    if (isa != set.name) continue;
    if (!set.compiled.isa)
      throw UnsupportedIsa("instruction set '" + isa + "' is not compiled into this build");
    if (!set.runnable)
      throw UnsupportedIsa("instruction set '" + isa + "' cannot run on this CPU: it needs " +
                           set.needs);
    return choose(sets, i);
  }
  throw UnsupportedIsa("unknown instruction set '" + isa + "'; known: " + known);
}

}  // namespace sqz
