// Chooses the kernels. Each family of kernels is chosen separately: an instruction set need not have
// all families, because a family may gain nothing from it (AVX-512 has no pixel kernels).
//
// The rule: the instruction sets are ordered, best first. The search starts at the set that was asked
// for, or else at the first one. A family takes the first set whose kernels this build has and that
// runs on this processor. A set that was asked for must be known, compiled in and runnable. Otherwise
// this is an error; another set is never used instead.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "sqz/kernels.h"

namespace sqz {

struct InstructionSet {
  const char* name;
  bool runnable;      // on this processor, were it compiled in
  const char* needs;  // in words
  Kernels
      compiled;  // its own tables, null where this build has none; its isa is null where it has none at all
};

struct UnsupportedIsa : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Best first; every set that the project knows, compiled in or not.
std::vector<InstructionSet> instruction_sets();

Kernels best_kernels();

// Throws UnsupportedIsa where the set is unknown, not compiled in or not runnable here.
Kernels kernels_named(const std::string& isa);

}  // namespace sqz
