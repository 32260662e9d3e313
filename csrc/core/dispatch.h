// Chooses the kernels to use. Each family of kernels is chosen separately, because an instruction
// set need not have all families: AVX-512 has no pixel kernels, which would gain nothing from it.
//
// The rule: the instruction sets are ordered, best first. For each family, the search starts at the
// requested set, or at the first set if none is requested. The family uses the first set from there
// on that runs on this processor and for which this build has the family's kernels. The requested
// set must be known, compiled in and runnable. Otherwise there is an error; another set never
// replaces it.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "sqz/kernels.h"

namespace sqz {

struct InstructionSet {
  const char* name;
  bool runnable;      // whether this processor supports it, compiled in or not
  const char* needs;  // its requirements, as text
  // The set's own tables. A table is null if this build does not have it, and isa is null if this
  // build has no table of the set.
  Kernels compiled;
};

struct UnsupportedIsa : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// All sets that the project knows, compiled in or not, best first.
std::vector<InstructionSet> instruction_sets();

Kernels best_kernels();

// Throws UnsupportedIsa if the set is unknown, not compiled in or not runnable on this CPU.
Kernels kernels_named(const std::string& isa);

}  // namespace sqz
