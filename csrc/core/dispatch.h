// Which kernels to use. The families of kernels are chosen each for itself: an instruction set need
// not have them all, for a family may gain nothing by it (AVX-512 has no pixel kernels of its own).
//
// The rule: instruction sets have one order, best first. A family takes the first set, from the one
// asked for on, of which this build has its kernels and which runs on this processor; where none is
// asked for, from the very first on. What is asked for must be known, compiled in and runnable: if it
// isn't, that is an error, and never another set instead.
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
