// The Python module `sqznet._kernels`.
#include <pybind11/pybind11.h>

#include "bindings/parts.h"

namespace sqz {

PYBIND11_MODULE(_kernels, m, pybind11::mod_gil_not_used()) {
  m.doc() = "Compiled kernels of sqznet; the public interface is the package `sqznet`.";
  bind_tensors(m);
  bind_steps(m);
  bind_layers(m);
  bind_fires(m);
  bind_dispatch(m);
  bind_entropy(m);
  bind_f16(m);
  bind_gate(m);
  bind_int8(m);
  bind_byte_steps(m);
  bind_boxes(m);
}

}  // namespace sqz
