// Binds the packed layers outside of fires.
#include <pybind11/stl.h>

#include <memory>

#include "bindings/layer_steps.h"
#include "bindings/parts.h"
#include "bindings/step.h"
#include "bindings/tensor.h"
#include "bindings/weights.h"
#include "bindings/without_lock.h"

namespace py = pybind11;

namespace sqz {
namespace {

Step bind_squeeze(const std::shared_ptr<Squeeze>& squeeze, const Pool& pool, const Tensor& x,
                  const Tensor& scratch, const Tensor& y) {
  const FloatMap in = x.floats(), out = y.floats();
  const View& input = in.view;
  require_size(input, input.n, input.h, input.w, squeeze->packed().in, "x");
  require_size(out.view, input.n, input.h, input.w, squeeze->packed().out, "y");
  const ScratchMemory memory = scratch_for(*squeeze, *pool, input, scratch);
  return {[=] { squeeze->run(*pool, in.view, memory.scratch, out.view); }};
}

}  // namespace

void bind_layers(py::module_& m) {
  py::class_<Conv, std::shared_ptr<Conv>> conv(m, "Conv");
  conv.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias,
                       int stride, bool relu) {
             const WithoutLock released;
             require(stride > 0, "stride must be positive");
             return std::make_shared<Conv>(
                 table, pack_conv(parameters(weight, bias), table.conv_nr), stride, relu);
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("stride") = 1,
           py::arg("relu") = true);
  def_calls(conv, &bind_conv<&Tensor::floats, Conv>, py::arg("y"));
  py::class_<Squeeze, std::shared_ptr<Squeeze>> squeeze(m, "Squeeze");
  squeeze.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias,
                          bool relu) {
                const WithoutLock released;
                return std::make_shared<Squeeze>(
                    table, pack_conv(parameters(weight, bias, 1), table.conv_nr), relu);
              }),
              py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("relu") = true);
  def_calls(squeeze, &bind_squeeze, py::arg("y"));
  py::class_<Stem, std::shared_ptr<Stem>> stem(m, "Stem");
  stem.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias) {
             const WithoutLock released;
             return std::make_shared<Stem>(table, parameters(weight, bias, 7));
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"));
  def_calls(stem, &bind_stem<&Tensor::floats, Stem>, py::arg("y"));
  py::class_<Classifier, std::shared_ptr<Classifier>> classifier(m, "Classifier");
  classifier.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias,
                             int padding) {
                   const WithoutLock released;
                   require(padding >= 0 && padding <= 8, "padding must be from 0 to 8");
                   return std::make_shared<Classifier>(
                       table, pack_classifier(parameters(weight, bias, 1), table.conv_nr), padding);
                 }),
                 py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("padding") = 0);
  def_calls(classifier, &bind_classifier<&Tensor::floats, Classifier>, py::arg("logits"));
}

}  // namespace sqz
