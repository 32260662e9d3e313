// Binds steps, sequences of steps, and the operations that have no weights. They check the shapes of
// their tensors, as layers do.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <string>
#include <vector>

#include "bindings/layer_steps.h"
#include "bindings/parts.h"
#include "bindings/step.h"
#include "bindings/tensor.h"

namespace py = pybind11;

namespace sqz {
namespace {

// Steps that run one after the other, without Python in between.
struct Sequence {
  std::vector<Step> steps;
};

// Copies x to y, of any type. They may overlap.
Step bind_move(const Tensor& x, const Tensor& y) {
  require_shape(y.shape, x.shape, "y");
  require(x.dtype == y.dtype, "x and y must have the same dtype");
  require(x.is_contiguous() && y.is_contiguous(), "move needs contiguous tensors");
  return {[=] { std::memmove(y.data, x.data, x.bytes()); }};
}

}  // namespace

void bind_steps(py::module_& m) {
  py::class_<Step>(m, "Step", "A layer or an operation bound to its tensors")
      .def("__call__", [](const Step& step) { step.run(); }, Released());
  py::class_<Sequence>(m, "Sequence", "Steps that run one after the other")
      .def(py::init([](const std::vector<Step>& steps) { return Sequence{steps}; }),
           py::arg("steps"))
      .def(
          "__call__",
          [](const Sequence& sequence) {
            for (const Step& step : sequence.steps) step.run();
          },
          Released());
  const auto bind_and_call = [&m](const char* name, auto bind, auto... arguments) {
    m.def(name, at_once(bind), arguments..., Released());
    m.def((std::string("bind_") + name).c_str(), bind, arguments...);
  };
  bind_and_call("max_pool", &bind_max_pool<&Tensor::floats, Float32Kernels>, py::arg("kernels"),
                py::arg("pool").none(false), py::arg("x"), py::arg("y"), py::arg("ceil_mode"));
  bind_and_call("add", &bind_add<&Tensor::floats, Float32Kernels>, py::arg("kernels"),
                py::arg("pool").none(false), py::arg("a"), py::arg("b"), py::arg("y"));
  m.def("bind_move", &bind_move, py::arg("x"), py::arg("y"));
}

}  // namespace sqz
