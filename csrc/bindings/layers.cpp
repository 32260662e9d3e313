// Binds the packed layers, and the steps that run them on fixed tensors. Shapes are checked only
// here, so that no layer or kernel receives a view that is too small.
#include <pybind11/stl.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bindings/parts.h"
#include "bindings/tensor.h"
#include "bindings/without_lock.h"

namespace py = pybind11;

namespace sqz {
namespace {

// Do not use it for constructors: pybind11 would add the new object to its list of all objects
// without the lock, and only the lock protects that list.
using Released = py::call_guard<WithoutLock>;

// A layer's parameters. The view's n, h, w, c are the weight's out, in, height, width.
struct Parameters {
  View weight;
  const float* bias;
};

// `kernel` is the required height and width of the weight, or 0 for any.
Parameters parameters(const Tensor& weight, const Tensor& bias, int kernel) {
  const View weights = weight.floats().view, biases = bias.floats().view;
  require(weight.is_contiguous() && bias.is_contiguous(), "weights must be contiguous");
  require(biases.n * biases.image == weights.n, "there must be one bias for each output channel");
  require(kernel == 0 || (weights.w == kernel && weights.c == kernel),
          "the kernel must be " + std::to_string(kernel) + " x " + std::to_string(kernel));
  return {weights, biases.data};
}

Packed pack(const Float32Kernels& table, const Tensor& weight, const Tensor& bias, int kernel = 0) {
  const auto [weights, biases] = parameters(weight, bias, kernel);
  return pack_conv(weights.data, biases, weights.n, weights.h, weights.w, weights.c, table.conv_nr);
}

Packed pack_winograd_3x3(const Float32Kernels& table, const Tensor& weight, const Tensor& bias) {
  const auto [weights, biases] = parameters(weight, bias, 3);
  return pack_winograd(weights.data, biases, weights.n, weights.h, 3, table.conv_nr);
}

void require_tile(int tile) {
  require(tile == 0 || (tile >= Winograd::kMinTile && tile <= Winograd::kMaxTile),
          "tile must be 0 or from 4 to 7");
}

// The scratch memory that the layer needs for n maps of h x w, in bytes.
template <typename Layer>
std::size_t scratch_bytes(const Layer& layer, int n, int h, int w, int threads) {
  require(n > 0 && h > 0 && w > 0 && threads > 0, "sizes and threads must be positive");
  Scratch counted;
  layer.plan(counted, n, h, w, threads);
  return counted.bytes();
}

// Scratch memory that is large enough for the layer. Its contents do not matter.
struct ScratchMemory {
  std::shared_ptr<void> owner;
  Scratch scratch;
};

template <typename Layer>
ScratchMemory scratch_for(const Layer& layer, const ThreadPool& pool, const View& x,
                          const Tensor& memory) {
  require(memory.dtype == Dtype::uint8 && memory.is_contiguous(),
          "scratch must be a contiguous uint8 tensor");
  require(memory.bytes() >= scratch_bytes(layer, x.n, x.h, x.w, pool.threads()),
          "scratch is smaller than the layer's scratch(n, h, w, threads)");
  require_aligned(memory.data, Dtype::float32);
  return {memory.owner, Scratch(memory.data)};
}

// A layer or an operation bound to its tensors. They are checked once, and it can run many times.
struct Step {
  std::function<void()> run;
};

// Steps that run one after the other, without Python in between.
struct Sequence {
  std::vector<Step> steps;
};

using Pool = std::shared_ptr<ThreadPool>;

// Returns a function that binds a step and runs it at once.
template <typename... Args>
auto at_once(Step (*bind)(Args...)) {
  return [bind](Args... args) { bind(args...).run(); };
}

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

// x may be a band of a map, with one row above and one row below the rows of y.
void require_rows(const View& x, const View& y, int above) {
  const int below = x.h - y.h - above;
  require((above == 0 || above == 1) && (below == 0 || below == 1),
          "x may have at most one row above and one row below the rows of y");
}

Step bind_padded_conv(const std::shared_ptr<PaddedConv>& conv, const Pool& pool, const Tensor& x,
                      const Tensor& scratch, const Tensor& y, int above) {
  const FloatMap in = x.floats(), out = y.floats();
  const View &input = in.view, &output = out.view;
  require_size(input, input.n, input.h, input.w, conv->packed().in, "x");
  require_size(output, input.n, output.h, input.w, conv->packed().out, "y");
  require_rows(input, output, above);
  const ScratchMemory memory = scratch_for(*conv, *pool, output, scratch);
  return {[=] { conv->run(*pool, in.view, memory.scratch, out.view, above); }};
}

Step bind_fire(const std::shared_ptr<Fire>& fire, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y, int above) {
  const FloatMap in = x.floats(), out = y.floats();
  const View &input = in.view, &output = out.view;
  require_size(input, input.n, input.h, input.w, fire->squeeze().packed().in, "x");
  require_size(output, input.n, output.h, input.w,
               fire->expand1().packed().out + fire->expand3().out, "y");
  require_rows(input, output, above);
  const ScratchMemory memory = scratch_for(*fire, *pool, output, scratch);
  return {[=] { fire->run(*pool, in.view, memory.scratch, out.view, above); }};
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

Step bind_max_pool(const Float32Kernels& table, const Pool& pool, const Tensor& x, const Tensor& y,
                   bool ceil_mode) {
  const FloatMap in = x.floats(), out = y.floats();
  const View& input = in.view;
  require_size(out.view, input.n, pooled_size(input.h, ceil_mode), pooled_size(input.w, ceil_mode),
               input.c, "y");
  return {[=, &table] { max_pool(table, *pool, in.view, out.view); }};
}

Step bind_add(const Float32Kernels& table, const Pool& pool, const Tensor& a, const Tensor& b,
              const Tensor& y) {
  const FloatMap first = a.floats(), second = b.floats(), sum = y.floats();
  const View& size = first.view;
  require_size(second.view, size.n, size.h, size.w, size.c, "b");
  require_size(sum.view, size.n, size.h, size.w, size.c, "y");
  return {[=, &table] { add(table, *pool, first.view, second.view, sum.view); }};
}

// Copies x to y, of any type. They may overlap.
Step bind_move(const Tensor& x, const Tensor& y) {
  require_shape(y.shape, x.shape, "y");
  require(x.dtype == y.dtype, "x and y must have the same dtype");
  require(x.is_contiguous() && y.is_contiguous(), "move needs contiguous tensors");
  return {[=] { std::memmove(y.data, x.data, x.bytes()); }};
}

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
  bind_and_call("max_pool", &bind_max_pool, py::arg("kernels"), py::arg("pool").none(false),
                py::arg("x"), py::arg("y"), py::arg("ceil_mode"));
  bind_and_call("add", &bind_add, py::arg("kernels"), py::arg("pool").none(false), py::arg("a"),
                py::arg("b"), py::arg("y"));
  m.def("bind_move", &bind_move, py::arg("x"), py::arg("y"));
}

// Defines the calls that all layers have: with a pool and tensors, at once or as a step.
template <typename Layer, typename Bind, typename... Arguments>
void def_calls(py::class_<Layer, std::shared_ptr<Layer>>& layer, Bind bind,
               const Arguments&... arguments) {
  layer
      .def("scratch", &scratch_bytes<Layer>, py::arg("n"), py::arg("h"), py::arg("w"),
           py::arg("threads"))
      .def("bind", bind, py::arg("pool").none(false), py::arg("x"), py::arg("scratch"),
           arguments...)
      .def("__call__", at_once(bind), py::arg("pool").none(false), py::arg("x"), py::arg("scratch"),
           arguments..., Released());
}

}  // namespace

void bind_layers(py::module_& m) {
  bind_steps(m);
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
  py::class_<Stem, std::shared_ptr<Stem>> stem(m, "Stem");
  stem.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias) {
             const WithoutLock released;
             const auto [weights, biases] = parameters(weight, bias, 7);
             return std::make_shared<Stem>(table, weights.data, biases, weights.n, weights.h);
           }),
           py::arg("kernels"), py::arg("weight"), py::arg("bias"));
  def_calls(stem, &bind_stem, py::arg("y"));
  py::class_<PaddedConv, std::shared_ptr<PaddedConv>> padded(m, "PaddedConv");
  padded.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias,
                         bool relu, int tile) {
               const WithoutLock released;
               require_tile(tile);
               return std::make_shared<PaddedConv>(table, pack_winograd_3x3(table, weight, bias),
                                                   tile, relu);
             }),
             py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("relu") = true,
             py::arg("tile") = 0);
  def_calls(padded, &bind_padded_conv, py::arg("y"), py::arg("above") = 0);
  py::class_<Fire, std::shared_ptr<Fire>> fire(m, "Fire");
  fire.def(py::init([](const Float32Kernels& table, const Tensor& squeeze_weight,
                       const Tensor& squeeze_bias, const Tensor& expand1_weight,
                       const Tensor& expand1_bias, const Tensor& expand3_weight,
                       const Tensor& expand3_bias, int tile) {
             const WithoutLock released;
             require(expand1_weight.shape[1] == squeeze_weight.shape[0] &&
                         expand3_weight.shape[1] == squeeze_weight.shape[0],
                     "both expands must have as many inputs as the squeeze has outputs");
             require_tile(tile);
             return std::make_shared<Fire>(table, pack(table, squeeze_weight, squeeze_bias, 1),
                                           pack(table, expand1_weight, expand1_bias, 1),
                                           pack_winograd_3x3(table, expand3_weight, expand3_bias),
                                           tile);
           }),
           py::arg("kernels"), py::arg("squeeze_weight"), py::arg("squeeze_bias"),
           py::arg("expand1x1_weight"), py::arg("expand1x1_bias"), py::arg("expand3x3_weight"),
           py::arg("expand3x3_bias"), py::arg("tile") = 0);
  def_calls(fire, &bind_fire, py::arg("y"), py::arg("above") = 0);
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
