#include "core/dispatch.h"

#include "core/cpu.h"

namespace sqz {

namespace scalar {
extern const KernelTable kTable;
}
#if defined(SQZ_HAVE_AVX2)
namespace avx2 {
extern const KernelTable kTable;
}
#endif
#if defined(SQZ_HAVE_AVX512)
namespace avx512 {
extern const KernelTable kTable;
}
#endif
#if defined(SQZ_HAVE_NEON)
namespace neon {
extern const KernelTable kTable;
}
#endif

namespace {

struct Candidate {
  IsaEntry entry;
  const KernelTable* table;
};

std::vector<Candidate> candidates() {
  const CpuFeatures& f = cpu_features();
#if defined(SQZ_HAVE_AVX2)
  const KernelTable* avx2_table = &avx2::kTable;
#else
  const KernelTable* avx2_table = nullptr;
#endif
#if defined(SQZ_HAVE_AVX512)
  const KernelTable* avx512_table = &avx512::kTable;
#else
  const KernelTable* avx512_table = nullptr;
#endif
#if defined(SQZ_SIMDE)
  const bool avx512_runs = f.avx2 && f.fma;
  const char* avx512_needs = "AVX2 and FMA, of which SIMDe makes AVX-512";
#else
  const bool avx512_runs = f.avx512 && f.avx2 && f.fma;
  const char* avx512_needs = "AVX-512 F, BW, DQ and VL";
#endif
#if defined(SQZ_HAVE_NEON)
  const KernelTable* neon_table = &neon::kTable;
#else
  const KernelTable* neon_table = nullptr;
#endif
  return {
      {{"avx512", avx512_table != nullptr, avx512_runs, avx512_needs}, avx512_table},
      {{"avx2", avx2_table != nullptr, f.avx2 && f.fma, "AVX2 and FMA"}, avx2_table},
      {{"neon", neon_table != nullptr, f.neon, "NEON, on ARMv7 with VFPv4"}, neon_table},
      {{"scalar", true, true, "nothing"}, &scalar::kTable},
  };
}

}  // namespace

std::vector<IsaEntry> isa_entries() {
  std::vector<IsaEntry> entries;
  for (const Candidate& c : candidates()) entries.push_back(c.entry);
  return entries;
}

const KernelTable& best_table() {
  for (const Candidate& c : candidates())
    if (c.entry.compiled && c.entry.runnable) return *c.table;
  return scalar::kTable;
}

const KernelTable& table_named(const std::string& name) {
  std::string known;
  for (const Candidate& c : candidates()) {
    known += (known.empty() ? "" : ", ") + std::string(c.entry.name);
    if (name != c.entry.name) continue;
    if (!c.entry.compiled)
      throw UnsupportedIsa("instruction set '" + name + "' is not compiled into this build");
    if (!c.entry.runnable)
      throw UnsupportedIsa("instruction set '" + name + "' cannot run on this CPU: it needs " +
                           c.entry.needs);
    return *c.table;
  }
  throw UnsupportedIsa("unknown instruction set '" + name + "'; known: " + known);
}

}  // namespace sqz
