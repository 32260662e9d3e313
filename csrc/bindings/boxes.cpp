// Binds the boxes of a detector.
#include "core/boxes.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "bindings/parts.h"
#include "bindings/tensor.h"
#include "bindings/without_lock.h"

namespace py = pybind11;

namespace sqz {
namespace {

constexpr int kSides = 4;

using Level = std::tuple<Tensor, float, float>;
using Found = std::tuple<int, double, float, float, float, float>;

std::vector<Found> boxes(const std::vector<Level>& levels, int image,
                         const std::vector<double>& thresholds, const std::array<int, 2>& size,
                         float limit, float iou, int candidates, int most) {
  require(size[0] > 0 && size[1] > 0 && candidates > 0 && most > 0,
          "sizes and counts must be positive");
  const BoxRules rules{
      thresholds, static_cast<float>(size[0]), static_cast<float>(size[1]), limit, iou, candidates,
      most};
  std::vector<BoxLevel> views;
  for (const auto& [map, stride, first] : levels) {
    const View view = map.floats().view;
    require(image >= 0 && image < view.n, "no such image");
    require_size(view, view.n, view.h, view.w, static_cast<int>(thresholds.size()) + kSides,
                 "a level");
    views.push_back({view, stride, first});
  }
  std::vector<Found> found;
  {
    const WithoutLock released;
    for (const FoundBox& b : find_boxes(views, image, rules))
      found.emplace_back(b.index, b.score, b.x0, b.y0, b.x1, b.y1);
  }
  return found;
}

}  // namespace

void bind_boxes(py::module_& m) {
  m.def("boxes", &boxes, py::arg("levels"), py::arg("image"), py::arg("thresholds"),
        py::arg("size"), py::arg("limit"), py::arg("iou"), py::arg("candidates"), py::arg("most"));
}

}  // namespace sqz
