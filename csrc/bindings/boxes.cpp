// Binds the boxes of a detector.
#include "core/boxes.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <tuple>
#include <vector>

#include "bindings/parts.h"
#include "bindings/tensor.h"
#include "bindings/without_lock.h"
#include "core/anchor_boxes.h"

namespace py = pybind11;

namespace sqz {
namespace {

constexpr int kSides = 4;

using Level = std::tuple<Tensor, float, float>;
using Size = std::array<int, 2>;
using Found = std::tuple<int, double, float, float, float, float>;

BoxRules rules_of(const std::vector<double>& thresholds, const Size& size, float limit, float iou,
                  int candidates, int most) {
  require(!thresholds.empty() && size[0] > 0 && size[1] > 0 && candidates > 0 && most > 0,
          "sizes and counts must be positive");
  return {
      thresholds, static_cast<float>(size[0]), static_cast<float>(size[1]), limit, iou, candidates,
      most};
}

std::vector<Found> tuples(const std::vector<FoundBox>& boxes) {
  std::vector<Found> found;
  for (const FoundBox& b : boxes) found.emplace_back(b.index, b.score, b.x0, b.y0, b.x1, b.y1);
  return found;
}

std::vector<Found> boxes(const std::vector<Level>& levels, int image,
                         const std::vector<double>& thresholds, const Size& size, float limit,
                         float iou, int candidates, int most) {
  const BoxRules rules = rules_of(thresholds, size, limit, iou, candidates, most);
  std::vector<BoxLevel> views;
  for (const auto& [map, stride, first] : levels) {
    const View view = map.floats().view;
    require(image >= 0 && image < view.n, "no such image");
    require_size(view, view.n, view.h, view.w, static_cast<int>(thresholds.size()) + kSides,
                 "a level");
    views.push_back({view, stride, first});
  }
  const WithoutLock released;
  return tuples(find_boxes(views, image, rules));
}

std::vector<Found> anchor_boxes(const Tensor& map, int image,
                                const std::vector<std::array<float, 2>>& anchors,
                                const std::vector<double>& thresholds, const Size& size,
                                float limit, float iou, int candidates, int most) {
  const BoxRules rules = rules_of(thresholds, size, limit, iou, candidates, most);
  const FloatMap floats = map.floats();
  const View& view = floats.view;
  require(image >= 0 && image < view.n, "no such image");
  const int classes = static_cast<int>(thresholds.size()), count = static_cast<int>(anchors.size());
  require_size(view, view.n, view.h, view.w, count * (classes + 1 + kSides), "the map");
  std::vector<Anchor> sides;
  for (const auto& [width, height] : anchors) sides.push_back({width, height});
  const WithoutLock released;
  return tuples(find_anchor_boxes(view, image, sides, rules));
}

}  // namespace

void bind_boxes(py::module_& m) {
  m.def("boxes", &boxes, py::arg("levels"), py::arg("image"), py::arg("thresholds"),
        py::arg("size"), py::arg("limit"), py::arg("iou"), py::arg("candidates"), py::arg("most"));
  m.def("anchor_boxes", &anchor_boxes, py::arg("map"), py::arg("image"), py::arg("anchors"),
        py::arg("thresholds"), py::arg("size"), py::arg("limit"), py::arg("iou"),
        py::arg("candidates"), py::arg("most"));
}

}  // namespace sqz
