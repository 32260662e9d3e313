// The part of the module `sqznet._kernels` that holds packed layers and steps.
#pragma once

#include <pybind11/pybind11.h>

namespace sqz {

void bind_layers(pybind11::module_& m);

}  // namespace sqz
