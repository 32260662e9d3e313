// Which kernel table to use: the first runnable of an ordered list, or the one asked for.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "sqz/kernels.h"

namespace sqz {

struct IsaEntry {
  const char* name;
  bool compiled;
  bool runnable;      // on this CPU, were it compiled
  const char* needs;  // in words
};

struct UnsupportedIsa : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Best first; every set that the project knows, compiled in or not.
std::vector<IsaEntry> isa_entries();

// The best runnable table. Scalar always is.
const KernelTable& best_table();

// The table of that name; throws UnsupportedIsa where it is unknown, not compiled in or not
// runnable here. Never another table instead.
const KernelTable& table_named(const std::string& name);

}  // namespace sqz
