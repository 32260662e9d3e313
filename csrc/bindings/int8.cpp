// Binds the layers on bytes.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bindings/layer_steps.h"
#include "bindings/parts.h"
#include "bindings/step.h"
#include "bindings/tensor.h"
#include "core/int8_layers.h"

namespace py = pybind11;

namespace sqz {
namespace {

const std::int8_t* int8s(const Tensor& t) {
  require(t.dtype == Dtype::int8 && t.is_contiguous(), "weights must be contiguous int8");
  return static_cast<const std::int8_t*>(t.data);
}

// The values of a one-dimensional tensor, stored as (count, 1, 1, 1).
template <typename T>
const T* values(const Tensor& t, Dtype dtype, int count, const char* name) {
  require(t.dtype == dtype && t.is_contiguous(), std::string(name) + " has the wrong dtype");
  require_shape(t.shape, {count, 1, 1, 1}, name);
  return static_cast<const T*>(t.data);
}

IntegerWeights integers(const Tensor& weight, const Tensor& bias, const Tensor& scale) {
  const auto [out, in, kh, kw] = weight.shape;
  return {int8s(weight),
          values<std::int32_t>(bias, Dtype::int32, out, "bias"),
          values<float>(scale, Dtype::float32, out, "scale"),
          out,
          in,
          kh,
          kw};
}

// `kernel` is the required height and width of the weight, or 0 for any.
PackedBytes pack(const Int8Kernels& table, const Tensor& weight, const Tensor& bias,
                 const Tensor& scale, int kernel = 0, Reader reader = Reader::conv) {
  const auto [kh, kw] = std::pair(weight.shape[2], weight.shape[3]);
  require(kernel == 0 || (kh == kernel && kw == kernel),
          "the kernel must be " + std::to_string(kernel) + " x " + std::to_string(kernel));
  return pack_int8(table, integers(weight, bias, scale), reader);
}

Step bind_sum(const std::shared_ptr<ByteSum>& sum, const Pool& pool, const Tensor& x,
              const Tensor& scratch, const Tensor& y) {
  const ByteMap in = x.levels(), out = y.levels();
  const ByteView &input = in.view, &output = out.view;
  require_size(input, input.n, input.h, input.w, sum->inputs(), "x");
  require_size(output, input.n, input.h, input.w, sum->channels(), "y");
  const ScratchMemory memory = scratch_for(*sum, *pool, input, scratch);
  return {[=] { sum->run(*pool, in.view, memory.scratch, out.view); }};
}

std::shared_ptr<ByteSum> make_sum(const Int8Kernels& table, const Tensor& fire,
                                  const Tensor& around, int zero, int around_zero,
                                  const std::optional<std::array<Tensor, 3>>& bypass) {
  const WithoutLock released;
  const int channels = fire.shape[0];
  require(0 <= zero && zero <= 255 && 0 <= around_zero && around_zero <= 255,
          "zero points must be from 0 to 255");
  SumFactors factors{Array<float>(channels), Array<float>(channels), channels, zero, around_zero};
  std::copy_n(values<float>(fire, Dtype::float32, channels, "fire"), channels, factors.fire.data());
  std::copy_n(values<float>(around, Dtype::float32, channels, "around"), channels,
              factors.around.data());
  std::optional<PackedBytes> packed;
  if (bypass) {
    const auto& [weight, bias, scale] = *bypass;
    packed = pack(table, weight, bias, scale, 1);
    require(packed->out == channels, "the bypass must have as many outputs as the fire");
  }
  return std::make_shared<ByteSum>(table, std::move(factors), std::move(packed));
}

Step bind_output(const std::shared_ptr<ByteOutput>& output, const Pool& pool, const Tensor& x,
                 const Tensor& scratch, const Tensor& y) {
  const ByteMap in = x.levels();
  const FloatMap out = y.floats();
  const ByteView& input = in.view;
  require_size(input, input.n, input.h, input.w, output->packed().in, "x");
  require_size(out.view, input.n, input.h, input.w, output->packed().out, "y");
  require(y.is_contiguous(), "y must be contiguous");
  const ScratchMemory memory = scratch_for(*output, *pool, input, scratch);
  return {[=] { output->run(*pool, in.view, memory.scratch, out.view.data); }};
}

// The integers of float32 weights; see core/pack_int8.h.
Tensor quantize(const Tensor& weight, const Tensor& input_scale, const Tensor& weight_scale) {
  const FloatMap weights = weight.floats();
  require(weight.is_contiguous(), "weights must be contiguous");
  const auto [out, in, kh, kw] = weight.shape;
  const float* inputs = values<float>(input_scale, Dtype::float32, in, "input_scale");
  const float* outputs = values<float>(weight_scale, Dtype::float32, out, "weight_scale");
  Tensor quantized = Tensor::zeros(weight.shape, Dtype::int8);
  const WithoutLock released;
  quantize_weights(weights.view.data, inputs, outputs, out, in, kh * kw,
                   static_cast<std::int8_t*>(quantized.data));
  return quantized;
}

}  // namespace

void bind_int8(py::module_& m) {
  m.def("quantize_weights", &quantize, py::arg("weight"), py::arg("input_scale"),
        py::arg("weight_scale"));
  m.def("max_pool_u8", at_once(&bind_max_pool<&Tensor::levels, Int8Kernels>), py::arg("kernels"),
        py::arg("pool").none(false), py::arg("x"), py::arg("y"), py::arg("ceil_mode"), Released());
  m.def("bind_max_pool_u8", &bind_max_pool<&Tensor::levels, Int8Kernels>, py::arg("kernels"),
        py::arg("pool").none(false), py::arg("x"), py::arg("y"), py::arg("ceil_mode"));
  py::class_<ByteConv, std::shared_ptr<ByteConv>> conv(m, "ByteConv");
  conv.def(py::init([](const Int8Kernels& table, const Tensor& weight, const Tensor& bias,
                       const Tensor& scale, int stride) {
             const WithoutLock released;
             require(stride > 0, "stride must be positive");
             return std::make_shared<ByteConv>(table, pack(table, weight, bias, scale), stride);
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("scale"),
           py::arg("stride") = 1);
  def_calls(conv, &bind_conv<&Tensor::levels, ByteConv>, py::arg("y"));
  py::class_<ByteFire, std::shared_ptr<ByteFire>> fire(m, "ByteFire");
  fire.def(py::init([](const Int8Kernels& table, const Tensor& squeeze_weight,
                       const Tensor& squeeze_bias, const Tensor& squeeze_scale,
                       const Tensor& expand1_weight, const Tensor& expand1_bias,
                       const Tensor& expand1_scale, const Tensor& expand3_weight,
                       const Tensor& expand3_bias, const Tensor& expand3_scale) {
             const WithoutLock released;
             require(expand1_weight.shape[1] == squeeze_weight.shape[0] &&
                         expand3_weight.shape[1] == squeeze_weight.shape[0],
                     "both expands must have as many inputs as the squeeze has outputs");
             return std::make_shared<ByteFire>(
                 table, pack(table, squeeze_weight, squeeze_bias, squeeze_scale, 1),
                 pack(table, expand1_weight, expand1_bias, expand1_scale, 1),
                 pack(table, expand3_weight, expand3_bias, expand3_scale, 3),
                 pack_winograd(table, integers(expand3_weight, expand3_bias, expand3_scale)));
           }),
           py::arg("kernels"), py::arg("squeeze_weight"), py::arg("squeeze_bias"),
           py::arg("squeeze_scale"), py::arg("expand1x1_weight"), py::arg("expand1x1_bias"),
           py::arg("expand1x1_scale"), py::arg("expand3x3_weight"), py::arg("expand3x3_bias"),
           py::arg("expand3x3_scale"));
  def_calls(fire, &bind_fire<&Tensor::levels, ByteFire>, py::arg("y"), py::arg("above") = 0);
  py::class_<ByteSum, std::shared_ptr<ByteSum>> sum(m, "ByteSum");
  sum.def(py::init(&make_sum), py::arg("kernels"), py::arg("fire"), py::arg("around"),
          py::arg("zero") = 0, py::arg("around_zero") = 0, py::arg("bypass") = py::none());
  def_calls(sum, &bind_sum, py::arg("y"));
  py::class_<ByteOutput, std::shared_ptr<ByteOutput>> output(m, "ByteOutput");
  output.def(py::init([](const Int8Kernels& table, const Tensor& weight, const Tensor& bias,
                         const Tensor& scale) {
               const WithoutLock released;
               return std::make_shared<ByteOutput>(table, pack(table, weight, bias, scale, 1));
             }),
             py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("scale"));
  def_calls(output, &bind_output, py::arg("y"));
  py::class_<ByteClassifier, std::shared_ptr<ByteClassifier>> classifier(m, "ByteClassifier");
  classifier.def(py::init([](const Int8Kernels& table, const Tensor& weight, const Tensor& bias,
                             const Tensor& scale, const Tensor& border, int padding, bool relu) {
                   const WithoutLock released;
                   require(padding >= 0 && padding <= 8, "padding must be from 0 to 8");
                   PackedBytes packed = pack(table, weight, bias, scale, 1, Reader::classifier);
                   Array<std::int32_t> sums =
                       border_sums(integers(weight, bias, scale),
                                   values<std::uint8_t>(border, Dtype::uint8, packed.in, "border"));
                   return std::make_shared<ByteClassifier>(table, std::move(packed),
                                                           std::move(sums), padding, relu);
                 }),
                 py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("scale"),
                 py::arg("border"), py::arg("padding") = 0, py::arg("relu") = true);
  def_calls(classifier, &bind_classifier<&Tensor::levels, ByteClassifier>, py::arg("logits"));
}

}  // namespace sqz
