// The part of the module `sqznet._kernels` that binds the packed layers and the steps.
#pragma once

#include <pybind11/pybind11.h>

namespace sqz {

void bind_layers(pybind11::module_& m);

}  // namespace sqz
