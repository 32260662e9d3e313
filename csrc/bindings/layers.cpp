// Binds the packed layers outside of fires. Shapes are checked only here, so that no layer or kernel receives a view
// that is too small.
#include <pybind11/stl.h>

#include <memory>

#include "bindings/parts.h"
#include "bindings/step.h"
#include "bindings/tensor.h"
#include "bindings/weights.h"
#include "bindings/without_lock.h"

namespace py = pybind11;

namespace sqz {
namespace {

Step bind_conv(const std::shared_ptr<Conv>& conv, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y) {
  const FloatMap in = x.floats(), out = y.floats();
  const View& input = in.view;
  const Packed& packed = conv->packed();
  require_size(input, input.n, input.h, input.w, packed.in, "x");
  // The kernels read the inputs of a kernel row as adjacent floats.
  require(packed.kw == 1 || input.pixel == input.c, "x's pixels must be adjacent");
  require_size(out.view, input.n, conv->output_size(input.h, packed.kh),
               conv->output_size(input.w, packed.kw), packed.out, "y");
  const ScratchMemory memory = scratch_for(*conv, *pool, input, scratch);
  return {[=] { conv->run(*pool, in.view, memory.scratch, out.view); }};
}

Step bind_squeeze(const std::shared_ptr<Squeeze>& squeeze, const Pool& pool, const Tensor& x,
                  const Tensor& scratch, const Tensor& y) {
  const FloatMap in = x.floats(), out = y.floats();
  const View& input = in.view;
  require_size(input, input.n, input.h, input.w, squeeze->packed().in, "x");
  require_size(out.view, input.n, input.h, input.w, squeeze->packed().out, "y");
  const ScratchMemory memory = scratch_for(*squeeze, *pool, input, scratch);
  return {[=] { squeeze->run(*pool, in.view, memory.scratch, out.view); }};
}

Step bind_stem(const std::shared_ptr<Stem>& stem, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y) {
  const FloatMap in = x.floats(), out = y.floats();
  const View& input = in.view;
  require_size(input, input.n, input.h, input.w, stem->inputs(), "x");
  require_size(out.view, input.n, Stem::output_size(input.h), Stem::output_size(input.w),
               stem->outputs(), "y");
  const ScratchMemory memory = scratch_for(*stem, *pool, input, scratch);
  return {[=] { stem->run(*pool, in.view, memory.scratch, out.view); }};
}

Step bind_classifier(const std::shared_ptr<Classifier>& classifier, const Pool& pool,
                     const Tensor& x, const Tensor& scratch, const Tensor& logits) {
  const FloatMap in = x.floats(), out = logits.floats();
  const View& input = in.view;
  require_size(input, input.n, input.h, input.w, classifier->packed().in, "x");
  require_size(out.view, input.n, 1, 1, classifier->packed().out, "logits");
  require(logits.is_contiguous(), "logits must be contiguous");
  const ScratchMemory memory = scratch_for(*classifier, *pool, input, scratch);
  return {[=] { classifier->run(*pool, in.view, memory.scratch, out.view.data); }};
}

}  // namespace

void bind_layers(py::module_& m) {
  py::class_<Conv, std::shared_ptr<Conv>> conv(m, "Conv");
  conv.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias,
                       int stride, bool relu) {
             const WithoutLock released;
             require(stride > 0, "stride must be positive");
             return std::make_shared<Conv>(table, pack(table, weight, bias), stride, relu);
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("stride") = 1,
           py::arg("relu") = true);
  def_calls(conv, &bind_conv, py::arg("y"));
  py::class_<Squeeze, std::shared_ptr<Squeeze>> squeeze(m, "Squeeze");
  squeeze.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias,
                          bool relu) {
                const WithoutLock released;
                return std::make_shared<Squeeze>(table, pack(table, weight, bias, 1), relu);
              }),
              py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("relu") = true);
  def_calls(squeeze, &bind_squeeze, py::arg("y"));
  py::class_<Stem, std::shared_ptr<Stem>> stem(m, "Stem");
  stem.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias) {
             const WithoutLock released;
             const auto [weights, biases] = parameters(weight, bias, 7);
             return std::make_shared<Stem>(table, weights.data, biases, weights.n, weights.h);
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"));
  def_calls(stem, &bind_stem, py::arg("y"));
  py::class_<Classifier, std::shared_ptr<Classifier>> classifier(m, "Classifier");
  classifier.def(
      py::init(
          [](const Float32Kernels& table, const Tensor& weight, const Tensor& bias, int padding) {
            const WithoutLock released;
            require(padding >= 0 && padding <= 8, "padding must be from 0 to 8");
            return std::make_shared<Classifier>(table, pack(table, weight, bias, 1), padding);
          }),
      py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("padding") = 0);
  def_calls(classifier, &bind_classifier, py::arg("logits"));
}

}  // namespace sqz
