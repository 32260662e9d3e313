// Binds what networks need whose files round maps of bytes again, or round logits.
#include "core/byte_steps.h"

#include <pybind11/pybind11.h>

#include <string>

#include "bindings/parts.h"
#include "bindings/step.h"
#include "bindings/tensor.h"

namespace py = pybind11;

namespace sqz {
namespace {

Step bind_recode(const Pool& pool, const Tensor& x, const Tensor& tables, const Tensor& y) {
  const ByteMap in = x.levels(), table = tables.levels(), out = y.levels();
  const ByteView& v = in.view;
  const int border = out.view.h == v.h ? 0 : 2;
  require_size(out.view, v.n, v.h + border, v.w + border, v.c, "y");
  const bool by_channel = table.view.n != 1;
  require_shape(tables.shape, {by_channel ? v.c : 1, kByteValues, 1, 1}, "tables");
  require(tables.is_contiguous(), "tables must be contiguous");
  const ByteTables entries(table.view.data, by_channel);
  return {[=, owner = table.owner] { recode(*pool, entries, in.view, out.view); }};
}

Step bind_mean(const Pool& pool, const Tensor& x, const Tensor& edge, int border,
               const Tensor& scale, const Tensor& y) {
  const ByteMap in = x.levels(), edges = edge.levels();
  const FloatMap scales = scale.floats(), out = y.floats();
  const ByteView& v = in.view;
  require(border >= 0, "border must not be negative");
  require_shape(edge.shape, {v.c, 1, 1, 1}, "edge");
  require_shape(scale.shape, {v.c, 1, 1, 1}, "scale");
  require_size(out.view, v.n, 1, 1, v.c, "y");
  require(edge.is_contiguous() && scale.is_contiguous() && y.is_contiguous(),
          "edge, scale and y must be contiguous");
  return {[=] {
    mean_of_bytes(*pool, in.view, edges.view.data, border, scales.view.data, out.view.data);
  }};
}

Step bind_round(const Tensor& x, float scale, int lowest, int highest) {
  const FloatMap map = x.floats();
  require(x.is_contiguous(), "x must be contiguous");
  require(scale > 0 && lowest <= highest, "the scale must be positive, and the limits in order");
  const Grid grid{scale, static_cast<float>(lowest), static_cast<float>(highest)};
  const auto count = static_cast<std::int64_t>(x.bytes() / sizeof(float));
  return {[=] { round_to(grid, map.view.data, count); }};
}

}  // namespace

void bind_byte_steps(py::module_& m) {
  const auto bind_and_call = [&m](const char* name, auto bind, auto... arguments) {
    m.def(name, at_once(bind), arguments..., Released());
    m.def((std::string("bind_") + name).c_str(), bind, arguments...);
  };
  bind_and_call("recode", &bind_recode, py::arg("pool").none(false), py::arg("x"),
                py::arg("tables"), py::arg("y"));
  bind_and_call("mean_u8", &bind_mean, py::arg("pool").none(false), py::arg("x"), py::arg("edge"),
                py::arg("border"), py::arg("scale"), py::arg("y"));
  bind_and_call("round_to", &bind_round, py::arg("x"), py::arg("scale"), py::arg("lowest"),
                py::arg("highest"));
}

}  // namespace sqz
