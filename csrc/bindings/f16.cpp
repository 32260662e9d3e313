// Binds the layers in half precision. As in layers.cpp, shapes are checked only here.
#include <pybind11/stl.h>

#include <memory>

#include "bindings/parts.h"
#include "bindings/step.h"
#include "bindings/tensor.h"
#include "bindings/weights.h"
#include "bindings/without_lock.h"
#include "core/f16_layers.h"

namespace py = pybind11;

namespace sqz {
namespace {

// `kernel` is the required height and width of the weight, or 0 for any.
FloatWeights floats(const Tensor& weight, const Tensor& bias, int kernel = 0) {
  const auto [weights, biases] = parameters(weight, bias, kernel);
  return {weights.data, biases, weights.n, weights.h, weights.w, weights.c};
}

Step bind_conv(const std::shared_ptr<HalfConv>& conv, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y) {
  const HalfMap in = x.halves(), out = y.halves();
  const HalfView& input = in.view;
  const PackedHalves& packed = conv->packed();
  require_size(input, input.n, input.h, input.w, packed.in, "x");
  // The kernels read the inputs of a kernel row as adjacent halves.
  require(packed.kw == 1 || input.pixel == input.c, "x's pixels must be adjacent");
  require_size(out.view, input.n, conv->output_size(input.h, packed.kh),
               conv->output_size(input.w, packed.kw), packed.out, "y");
  const ScratchMemory memory = scratch_for(*conv, *pool, input, scratch);
  return {[=] { conv->run(*pool, in.view, memory.scratch, out.view); }};
}

Step bind_stem(const std::shared_ptr<HalfStem>& stem, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y) {
  const HalfMap in = x.halves(), out = y.halves();
  const HalfView& input = in.view;
  require_size(input, input.n, input.h, input.w, stem->inputs(), "x");
  require_size(out.view, input.n, HalfStem::output_size(input.h), HalfStem::output_size(input.w),
               stem->outputs(), "y");
  const ScratchMemory memory = scratch_for(*stem, *pool, input, scratch);
  return {[=] { stem->run(*pool, in.view, memory.scratch, out.view); }};
}

Step bind_fire(const std::shared_ptr<HalfFire>& fire, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y, int above) {
  const HalfMap in = x.halves(), out = y.halves();
  const HalfView &input = in.view, &output = out.view;
  require_size(input, input.n, input.h, input.w, fire->squeeze().packed().in, "x");
  require_size(output, input.n, output.h, input.w,
               fire->expand1().packed().out + fire->expand3().packed().out, "y");
  require_rows(input, output, above);
  const ScratchMemory memory = scratch_for(*fire, *pool, output, scratch);
  return {[=] { fire->run(*pool, in.view, memory.scratch, out.view, above); }};
}

Step bind_classifier(const std::shared_ptr<HalfClassifier>& classifier, const Pool& pool,
                     const Tensor& x, const Tensor& scratch, const Tensor& logits) {
  const HalfMap in = x.halves();
  const FloatMap out = logits.floats();
  const HalfView& input = in.view;
  require_size(input, input.n, input.h, input.w, classifier->packed().in, "x");
  require_size(out.view, input.n, 1, 1, classifier->packed().out, "logits");
  require(logits.is_contiguous(), "logits must be contiguous");
  const ScratchMemory memory = scratch_for(*classifier, *pool, input, scratch);
  return {[=] { classifier->run(*pool, in.view, memory.scratch, out.view.data); }};
}

Step bind_max_pool(const Float16Kernels& table, const Pool& pool, const Tensor& x, const Tensor& y,
                   bool ceil_mode) {
  const HalfMap in = x.halves(), out = y.halves();
  const HalfView& input = in.view;
  require_size(out.view, input.n, pooled_size(input.h, ceil_mode), pooled_size(input.w, ceil_mode),
               input.c, "y");
  return {[=, &table] { max_pool(table, *pool, in.view, out.view); }};
}

Step bind_add(const Float16Kernels& table, const Pool& pool, const Tensor& a, const Tensor& b,
              const Tensor& y) {
  const HalfMap first = a.halves(), second = b.halves(), sum = y.halves();
  const HalfView& size = first.view;
  require_size(second.view, size.n, size.h, size.w, size.c, "b");
  require_size(sum.view, size.n, size.h, size.w, size.c, "y");
  return {[=, &table] { add(table, *pool, first.view, second.view, sum.view); }};
}

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
                 table, pack_conv_f16(floats(weight, bias), table.conv_nr), stride, relu);
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("stride") = 1,
           py::arg("relu") = true);
  def_calls(conv, &bind_conv, py::arg("y"));
  py::class_<HalfStem, std::shared_ptr<HalfStem>> stem(m, "HalfStem");
  stem.def(py::init([](const Float16Kernels& table, const Tensor& weight, const Tensor& bias) {
             const WithoutLock released;
             const FloatWeights w = floats(weight, bias, 7);
             return std::make_shared<HalfStem>(table, w.weight, w.bias, w.out, w.in);
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"));
  def_calls(stem, &bind_stem, py::arg("y"));
  py::class_<HalfFire, std::shared_ptr<HalfFire>> fire(m, "HalfFire");
  fire.def(py::init([](const Float16Kernels& table, const Tensor& squeeze_weight,
                       const Tensor& squeeze_bias, const Tensor& expand1_weight,
                       const Tensor& expand1_bias, const Tensor& expand3_weight,
                       const Tensor& expand3_bias) {
             const WithoutLock released;
             require(expand1_weight.shape[1] == squeeze_weight.shape[0] &&
                         expand3_weight.shape[1] == squeeze_weight.shape[0],
                     "both expands must have as many inputs as the squeeze has outputs");
             return std::make_shared<HalfFire>(table, floats(squeeze_weight, squeeze_bias, 1),
                                               floats(expand1_weight, expand1_bias, 1),
                                               floats(expand3_weight, expand3_bias, 3));
           }),
           py::arg("kernels"), py::arg("squeeze_weight"), py::arg("squeeze_bias"),
           py::arg("expand1x1_weight"), py::arg("expand1x1_bias"), py::arg("expand3x3_weight"),
           py::arg("expand3x3_bias"));
  def_calls(fire, &bind_fire, py::arg("y"), py::arg("above") = 0);
  py::class_<HalfClassifier, std::shared_ptr<HalfClassifier>> classifier(m, "HalfClassifier");
  classifier.def(py::init([](const Float16Kernels& table, const Tensor& weight, const Tensor& bias,
                             int padding, bool relu) {
                   const WithoutLock released;
                   require(padding >= 0 && padding <= 8, "padding must be from 0 to 8");
                   return std::make_shared<HalfClassifier>(
                       table, pack_conv_f16(floats(weight, bias, 1), table.list_nr), padding, relu);
                 }),
                 py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("padding") = 0,
                 py::arg("relu") = true);
  def_calls(classifier, &bind_classifier, py::arg("logits"));
  m.def("bind_max_pool_f16", &bind_max_pool, py::arg("kernels"), py::arg("pool").none(false),
        py::arg("x"), py::arg("y"), py::arg("ceil_mode"));
  m.def("bind_add_f16", &bind_add, py::arg("kernels"), py::arg("pool").none(false), py::arg("a"),
        py::arg("b"), py::arg("y"));
  m.def("bind_round_f16", &bind_round, py::arg("kernels"), py::arg("pool").none(false),
        py::arg("x"), py::arg("y"));
}

}  // namespace sqz
