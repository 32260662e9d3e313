// Packed layers and the steps that they are bound to.
// Shapes are checked here, once, so that nothing below can be handed a view that is too small.
#include "bindings/layers.h"

#include <pybind11/stl.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bindings/tensor.h"
#include "bindings/without_lock.h"

namespace py = pybind11;

namespace sqz {
namespace {

// Not for constructors: theirs would hold while pybind11 enters the new object into its list of all
// objects, which only the lock keeps in order.
using Released = py::call_guard<WithoutLock>;

void require_weights(const Tensor& weight, const Tensor& bias) {
  require(weight.is_contiguous() && bias.is_contiguous(), "weights must be contiguous");
  require(bias.view.n * bias.view.image == weight.view.n, "one bias per output channel");
}

// `weight` is out x in x kh x kw in the tensor's four sizes, `bias` holds `out` values.
Packed pack(const KernelTable& table, const Tensor& weight, const Tensor& bias) {
  const View& w = weight.view;
  require_weights(weight, bias);
  return pack_conv(w.data, bias.view.data, w.n, w.h, w.w, w.c, table.conv_nr);
}

Packed pack_sized(const KernelTable& table, const Tensor& weight, const Tensor& bias, int kernel) {
  require(weight.view.w == kernel && weight.view.c == kernel,
          "the kernel must be " + std::to_string(kernel) + " x " + std::to_string(kernel));
  return pack(table, weight, bias);
}

Packed pack_winograd_3x3(const KernelTable& table, const Tensor& weight, const Tensor& bias) {
  const View& w = weight.view;
  require_weights(weight, bias);
  require(w.w == 3 && w.c == 3, "the kernel must be 3 x 3");
  return pack_winograd(w.data, bias.view.data, w.n, w.h, 3, table.conv_nr);
}

// Scratch of at least the size that the layer asks for; its contents are of no interest.
template <typename Layer>
void require_scratch(const Layer& layer, const ThreadPool& pool, const View& x,
                     const Tensor& scratch) {
  const View& v = scratch.view;
  require(scratch.is_contiguous() && static_cast<std::size_t>(v.n) * v.image >=
                                         layer.scratch(x.n, x.h, x.w, pool.threads()),
          "scratch is smaller than the layer's scratch(n, h, w, threads)");
}

template <typename Layer>
std::size_t scratch_of(const Layer& layer, int n, int h, int w, int threads) {
  require(n > 0 && h > 0 && w > 0 && threads > 0, "sizes and threads must be positive");
  return layer.scratch(n, h, w, threads);
}

// A layer or an operation bound to what it reads and writes, checked once and run at will.
struct Step {
  std::function<void()> run;
};

// Steps one after the other, without Python in between.
struct Sequence {
  std::vector<Step> steps;
};

using Pool = std::shared_ptr<ThreadPool>;

// What runs a step as soon as it is bound.
template <typename... Args>
auto at_once(Step (*bind)(Args...)) {
  return [bind](Args... args) { bind(args...).run(); };
}

Step bind_conv(const std::shared_ptr<Conv>& conv, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y) {
  const Packed& p = conv->packed();
  require_size(x.view, x.view.n, x.view.h, x.view.w, p.in, "x");
  // A kernel row is read as one run of floats.
  require(p.kw == 1 || x.view.pixel == x.view.c, "x's pixels must be adjacent");
  require_size(y.view, x.view.n, conv->output_size(x.view.h, p.kh),
               conv->output_size(x.view.w, p.kw), p.out, "y");
  require_scratch(*conv, *pool, x.view, scratch);
  return {[=] { conv->run(*pool, x.view, scratch.view.data, y.view); }};
}

Step bind_stem(const std::shared_ptr<Stem>& stem, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y) {
  const View& v = x.view;
  require_size(v, v.n, v.h, v.w, stem->inputs(), "x");
  require_size(y.view, v.n, Stem::output_size(v.h), Stem::output_size(v.w), stem->outputs(), "y");
  require_scratch(*stem, *pool, v, scratch);
  return {[=] { stem->run(*pool, x.view, scratch.view.data, y.view); }};
}

Step bind_fire(const std::shared_ptr<Fire>& fire, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y, int above) {
  const View &v = x.view, &out = y.view;
  require_size(v, v.n, v.h, v.w, fire->squeeze().packed().in, "x");
  require_size(out, v.n, out.h, v.w, fire->expand1().packed().out + fire->expand3().out, "y");
  const int below = v.h - out.h - above;
  require((above == 0 || above == 1) && (below == 0 || below == 1),
          "of x, at most one row more than of y may be above and below");
  require_scratch(*fire, *pool, out, scratch);
  return {[=] { fire->run(*pool, x.view, scratch.view.data, y.view, above); }};
}

Step bind_classifier(const std::shared_ptr<Classifier>& classifier, const Pool& pool,
                     const Tensor& x, const Tensor& scratch, const Tensor& logits) {
  const View& v = x.view;
  require_size(v, v.n, v.h, v.w, classifier->packed().in, "x");
  require_size(logits.view, v.n, 1, 1, classifier->packed().out, "logits");
  require(logits.is_contiguous(), "logits must be contiguous");
  require_scratch(*classifier, *pool, v, scratch);
  return {[=] { classifier->run(*pool, x.view, scratch.view.data, logits.view.data); }};
}

Step bind_max_pool(const KernelTable& table, const Pool& pool, const Tensor& x, const Tensor& y,
                   bool ceil_mode) {
  const View& v = x.view;
  require_size(y.view, v.n, pooled_size(v.h, ceil_mode), pooled_size(v.w, ceil_mode), v.c, "y");
  return {[=, &table] { max_pool(table, *pool, x.view, y.view); }};
}

Step bind_add(const KernelTable& table, const Pool& pool, const Tensor& a, const Tensor& b,
              const Tensor& y) {
  const View& v = a.view;
  require_size(b.view, v.n, v.h, v.w, v.c, "b");
  require_size(y.view, v.n, v.h, v.w, v.c, "y");
  return {[=, &table] { add(table, *pool, a.view, b.view, y.view); }};
}

// y = x; they may overlap.
Step bind_move(const Tensor& x, const Tensor& y) {
  const View& v = x.view;
  require_size(y.view, v.n, v.h, v.w, v.c, "y");
  require(x.is_contiguous() && y.is_contiguous(), "move needs contiguous tensors");
  const std::size_t bytes = static_cast<std::size_t>(v.n) * v.image * sizeof(float);
  return {[=] { std::memmove(y.view.data, x.view.data, bytes); }};
}

void bind_steps(py::module_& m) {
  py::class_<Step>(m, "Step", "A layer or an operation and the tensors that it works on")
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
  bind_and_call("max_pool", &bind_max_pool, py::arg("table"), py::arg("pool").none(false),
                py::arg("x"), py::arg("y"), py::arg("ceil_mode"));
  bind_and_call("add", &bind_add, py::arg("table"), py::arg("pool").none(false), py::arg("a"),
                py::arg("b"), py::arg("y"));
  m.def("bind_move", &bind_move, py::arg("x"), py::arg("y"));
}

// How every layer is called: with a pool and tensors, at once or as a step.
template <typename Layer, typename Bind, typename... Arguments>
void def_calls(py::class_<Layer, std::shared_ptr<Layer>>& layer, Bind bind,
               const Arguments&... arguments) {
  layer
      .def("scratch", &scratch_of<Layer>, py::arg("n"), py::arg("h"), py::arg("w"),
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
  conv.def(
      py::init([](const KernelTable& t, const Tensor& w, const Tensor& b, int stride, bool relu) {
        const WithoutLock released;
        require(stride > 0, "stride must be positive");
        return std::make_shared<Conv>(t, pack(t, w, b), stride, relu);
      }),
      py::arg("table"), py::arg("weight"), py::arg("bias"), py::arg("stride") = 1,
      py::arg("relu") = true);
  def_calls(conv, &bind_conv, py::arg("y"));
  py::class_<Stem, std::shared_ptr<Stem>> stem(m, "Stem");
  stem.def(py::init([](const KernelTable& t, const Tensor& w, const Tensor& b) {
             const WithoutLock released;
             require_weights(w, b);
             require(w.view.w == 7 && w.view.c == 7, "the kernel must be 7 x 7");
             return std::make_shared<Stem>(t, w.view.data, b.view.data, w.view.n, w.view.h);
           }),
           py::arg("table"), py::arg("weight"), py::arg("bias"));
  def_calls(stem, &bind_stem, py::arg("y"));
  py::class_<Fire, std::shared_ptr<Fire>> fire(m, "Fire");
  fire.def(py::init([](const KernelTable& t, const Tensor& ws, const Tensor& bs, const Tensor& w1,
                       const Tensor& b1, const Tensor& w3, const Tensor& b3, int tile) {
             const WithoutLock released;
             require(w1.view.h == ws.view.n && w3.view.h == ws.view.n,
                     "both expands read the squeeze's channels");
             require(tile == 0 || (tile >= Winograd::kMinTile && tile <= Winograd::kMaxTile),
                     "tile must be from 2 to 7, or 0");
             return std::make_shared<Fire>(t, pack_sized(t, ws, bs, 1), pack_sized(t, w1, b1, 1),
                                           pack_winograd_3x3(t, w3, b3), tile);
           }),
           py::arg("table"), py::arg("squeeze_weight"), py::arg("squeeze_bias"),
           py::arg("expand1x1_weight"), py::arg("expand1x1_bias"), py::arg("expand3x3_weight"),
           py::arg("expand3x3_bias"), py::arg("tile") = 0);
  def_calls(fire, &bind_fire, py::arg("y"), py::arg("above") = 0);
  py::class_<Classifier, std::shared_ptr<Classifier>> classifier(m, "Classifier");
  classifier.def(py::init([](const KernelTable& t, const Tensor& w, const Tensor& b, int padding) {
                   const WithoutLock released;
                   require(padding >= 0 && padding <= 8, "padding must be from 0 to 8");
                   return std::make_shared<Classifier>(t, pack_sized(t, w, b, 1), padding);
                 }),
                 py::arg("table"), py::arg("weight"), py::arg("bias"), py::arg("padding") = 0);
  def_calls(classifier, &bind_classifier, py::arg("logits"));
}

}  // namespace sqz
