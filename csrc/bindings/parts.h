// The parts of the module `sqznet._kernels`. Each has a file of its own, because the compiler takes
// much memory for pybind11's templates, and small boards compile the package too.
#pragma once

#include <pybind11/pybind11.h>

namespace sqz {

void bind_boxes(pybind11::module_& m);       // of a detector
void bind_byte_steps(pybind11::module_& m);  // rounding of bytes and logits
void bind_dispatch(pybind11::module_& m);    // kernels of the instruction sets, thread pool
void bind_entropy(pybind11::module_& m);     // compressed weights
void bind_fires(pybind11::module_& m);       // fires, padded convolutions
void bind_f16(pybind11::module_& m);         // layers in half precision
void bind_gate(pybind11::module_& m);
void bind_int8(pybind11::module_& m);    // layers on bytes
void bind_layers(pybind11::module_& m);  // the other packed layers
void bind_steps(pybind11::module_& m);   // steps and operations without weights
void bind_tensors(pybind11::module_& m);

}  // namespace sqz
