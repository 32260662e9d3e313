// Binds the layers in half precision.
#include <pybind11/stl.h>

#include <memory>

#include "bindings/layer_steps.h"
#include "bindings/parts.h"
#include "bindings/step.h"
#include "bindings/tensor.h"
#include "bindings/weights.h"
#include "bindings/without_lock.h"
#include "core/f16_layers.h"

namespace py = pybind11;

namespace sqz {
namespace {

Step bind_round(const Float16Kernels& table, const Pool& pool, const Tensor& x, const Tensor& y) {
  const FloatMap in = x.floats();
  const HalfMap out = y.halves();
  const View& size = in.view;
  require_size(out.view, size.n, size.h, size.w, size.c, "y");
  return {[=, &table] { round_to_halves(table, *pool, in.view, out.view); }};
}

}  // namespace

void bind_f16(py::module_& m) {
  py::class_<HalfConv, std::shared_ptr<HalfConv>> conv(m, "HalfConv");
  conv.def(py::init([](const Float16Kernels& table, const Tensor& weight, const Tensor& bias,
                       int stride, bool relu) {
             const WithoutLock released;
             require(stride > 0, "stride must be positive");
             return std::make_shared<HalfConv>(
                 table, pack_conv_f16(parameters(weight, bias), table.conv_nr), stride, relu);
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("stride") = 1,
           py::arg("relu") = true);
  def_calls(conv, &bind_conv<&Tensor::halves, HalfConv>, py::arg("y"));
  py::class_<HalfStem, std::shared_ptr<HalfStem>> stem(m, "HalfStem");
  stem.def(py::init([](const Float16Kernels& table, const Tensor& weight, const Tensor& bias) {
             const WithoutLock released;
             const FloatWeights w = parameters(weight, bias, 7);
             return std::make_shared<HalfStem>(table, w.weight, w.bias, w.out, w.in);
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"));
  def_calls(stem, &bind_stem<&Tensor::halves, HalfStem>, py::arg("y"));
  py::class_<HalfFire, std::shared_ptr<HalfFire>> fire(m, "HalfFire");
  fire.def(py::init([](const Float16Kernels& table, const Tensor& squeeze_weight,
                       const Tensor& squeeze_bias, const Tensor& expand1_weight,
                       const Tensor& expand1_bias, const Tensor& expand3_weight,
                       const Tensor& expand3_bias) {
             const WithoutLock released;
             require(expand1_weight.shape[1] == squeeze_weight.shape[0] &&
                         expand3_weight.shape[1] == squeeze_weight.shape[0],
                     "both expands must have as many inputs as the squeeze has outputs");
             return std::make_shared<HalfFire>(table, parameters(squeeze_weight, squeeze_bias, 1),
                                               parameters(expand1_weight, expand1_bias, 1),
                                               parameters(expand3_weight, expand3_bias, 3));
           }),
           py::arg("kernels"), py::arg("squeeze_weight"), py::arg("squeeze_bias"),
           py::arg("expand1x1_weight"), py::arg("expand1x1_bias"), py::arg("expand3x3_weight"),
           py::arg("expand3x3_bias"));
  def_calls(fire, &bind_fire<&Tensor::halves, HalfFire>, py::arg("y"), py::arg("above") = 0);
  py::class_<HalfClassifier, std::shared_ptr<HalfClassifier>> classifier(m, "HalfClassifier");
  classifier.def(py::init([](const Float16Kernels& table, const Tensor& weight, const Tensor& bias,
                             int padding, bool relu) {
                   const WithoutLock released;
                   require(padding >= 0 && padding <= 8, "padding must be from 0 to 8");
                   return std::make_shared<HalfClassifier>(
                       table, pack_conv_f16(parameters(weight, bias, 1), table.list_nr), padding,
                       relu);
                 }),
                 py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("padding") = 0,
                 py::arg("relu") = true);
  def_calls(classifier, &bind_classifier<&Tensor::halves, HalfClassifier>, py::arg("logits"));
  m.def("bind_max_pool_f16", &bind_max_pool<&Tensor::halves, Float16Kernels>, py::arg("kernels"),
        py::arg("pool").none(false), py::arg("x"), py::arg("y"), py::arg("ceil_mode"));
  m.def("bind_add_f16", &bind_add<&Tensor::halves, Float16Kernels>, py::arg("kernels"),
        py::arg("pool").none(false), py::arg("a"), py::arg("b"), py::arg("y"));
  m.def("bind_round_f16", &bind_round, py::arg("kernels"), py::arg("pool").none(false),
        py::arg("x"), py::arg("y"));
}

}  // namespace sqz
