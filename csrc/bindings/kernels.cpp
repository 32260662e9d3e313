// The Python module `sqznet._kernels`: tensors, packed layers, the thread pool and the chooser.
// Shapes are checked here, once, so that nothing below can be handed a view that is too small.
// numpy is never needed: tensors speak the buffer protocol.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "bindings/without_lock.h"
#include "core/convert.h"
#include "core/cpu.h"
#include "core/dispatch.h"
#include "core/layers.h"

namespace py = pybind11;

namespace sqz {
namespace {

using Shape = std::array<int, 4>;
using Released = py::call_guard<WithoutLock>;

std::string text(const View& v) {
  return "(" + std::to_string(v.n) + ", " + std::to_string(v.h) + ", " + std::to_string(v.w) +
         ", " + std::to_string(v.c) + ")";
}

void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

std::size_t elements(const Shape& s) {
  std::size_t count = 1;
  for (int d : s) {
    require(d > 0, "a tensor's sizes must be positive");
    require(count <= std::numeric_limits<std::ptrdiff_t>::max() / sizeof(float) / d,
            "the tensor is too large");
    count *= static_cast<std::size_t>(d);
  }
  return count;
}

View contiguous(float* data, const Shape& s) {
  return contiguous_view(data, s[0], s[1], s[2], s[3]);
}

// A view and whatever keeps its memory alive.
struct Tensor {
  std::shared_ptr<void> owner;
  View view;

  static Tensor zeros(const Shape& shape) {
    auto buffer = std::make_shared<Buffer>(elements(shape));
    return {buffer, contiguous(buffer->data(), shape)};
  }

  // `floats` into this tensor's memory, which must be contiguous.
  Tensor part(std::size_t offset, const Shape& shape) const {
    const std::size_t size = static_cast<std::size_t>(view.n) * view.image;
    require(is_contiguous(), "part() needs a contiguous tensor");
    require(offset <= size && elements(shape) <= size - offset, "the part lies outside");
    return {owner, contiguous(view.data + offset, shape)};
  }

  bool is_contiguous() const {
    return view.pixel == view.c && view.row == view.pixel * view.w &&
           view.image == view.row * view.h;
  }
};

// A float32 tensor over memory that Python owns: no copy, no conversion.
Tensor over(const py::buffer& object, const Shape& shape) {
  auto info = std::make_shared<py::buffer_info>(object.request(true));
  require(info->format == "f" && info->itemsize == 4, "the buffer must hold float32");
  require(PyBuffer_IsContiguous(info->view(), 'C'), "the buffer must be contiguous");
  require(elements(shape) == static_cast<std::size_t>(info->size), "the buffer's size is off");
  // The buffer may be released on any thread, but only under the GIL.
  std::shared_ptr<void> owner(info.get(), [info](void*) mutable {
    py::gil_scoped_acquire gil;
    info.reset();
  });
  return {owner, contiguous(static_cast<float*>(info->ptr), shape)};
}

Dtype dtype_named(const std::string& name) {
  if (name == "float16") return Dtype::float16;
  if (name == "bfloat16") return Dtype::bfloat16;
  if (name == "float32") return Dtype::float32;
  if (name == "float64") return Dtype::float64;
  throw std::invalid_argument("unknown dtype '" + name + "'");
}

Tensor from_bytes(const py::buffer& data, const std::string& dtype, const Shape& shape) {
  const py::buffer_info info = data.request();
  const Dtype d = dtype_named(dtype);
  require(PyBuffer_IsContiguous(info.view(), 'C'), "the data must be contiguous");
  require(static_cast<std::size_t>(info.size) * info.itemsize == elements(shape) * item_size(d),
          "the data's size is not that of the shape");
  Tensor t = Tensor::zeros(shape);
  WithoutLock release;
  to_float32(static_cast<const unsigned char*>(info.ptr), d, elements(shape), t.view.data);
  return t;
}

bool import_array(ThreadPool& pool, const py::buffer& x, const Tensor& y) {
  const py::buffer_info info = x.request();
  // NumPy calls float32 at an odd address "=f".
  require((info.format == "f" || info.format == "=f") && info.ndim == 4,
          "x must be float32 with four dimensions");
  const View& v = y.view;
  require(
      info.shape[0] == v.n && info.shape[1] == v.c && info.shape[2] == v.h && info.shape[3] == v.w,
      "x does not have the tensor's shape");
  const std::ptrdiff_t strides[4] = {info.strides[0], info.strides[1], info.strides[2],
                                     info.strides[3]};
  WithoutLock release;
  return import_nchw(pool, static_cast<const unsigned char*>(info.ptr), strides, v);
}

void export_array(const Tensor& x, const Tensor& y) {
  const Shape expected = {x.view.n, x.view.c, x.view.h, x.view.w};
  require(y.is_contiguous() && Shape{y.view.n, y.view.h, y.view.w, y.view.c} == expected,
          "the output must be a contiguous tensor of x's size, channels first");
  export_nchw(x.view, y.view.data);
}

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

void require_size(const View& v, int n, int h, int w, int c, const char* name) {
  require(n > 0 && h > 0 && w > 0 && v.n == n && v.h == h && v.w == w && v.c == c,
          std::string(name) + " has shape " + text(v) + ", expected (" + std::to_string(n) + ", " +
              std::to_string(h) + ", " + std::to_string(w) + ", " + std::to_string(c) + ")");
}

// Scratch of at least the size that the layer asks for; its contents are of no interest.
template <typename Layer>
float* scratch_for(const Layer& layer, const ThreadPool& pool, const View& x,
                   const Tensor& scratch) {
  const View& v = scratch.view;
  require(scratch.is_contiguous() && static_cast<std::size_t>(v.n) * v.image >=
                                         layer.scratch(x.n, x.h, x.w, pool.threads()),
          "scratch is smaller than the layer's scratch(n, h, w, threads)");
  return v.data;
}

template <typename Layer>
std::size_t scratch_of(const Layer& layer, int n, int h, int w, int threads) {
  require(n > 0 && h > 0 && w > 0 && threads > 0, "sizes and threads must be positive");
  return layer.scratch(n, h, w, threads);
}

void run_conv(const Conv& conv, ThreadPool& pool, const Tensor& x, const Tensor& scratch,
              const Tensor& y) {
  const Packed& p = conv.packed();
  require_size(x.view, x.view.n, x.view.h, x.view.w, p.in, "x");
  // A kernel row is read as one run of floats.
  require(p.kw == 1 || x.view.pixel == x.view.c, "x's pixels must be adjacent");
  require_size(y.view, x.view.n, conv.output_size(x.view.h, p.kh), conv.output_size(x.view.w, p.kw),
               p.out, "y");
  conv.run(pool, x.view, scratch_for(conv, pool, x.view, scratch), y.view);
}

void run_stem(const Stem& stem, ThreadPool& pool, const Tensor& x, const Tensor& scratch,
              const Tensor& y) {
  const View& v = x.view;
  require_size(v, v.n, v.h, v.w, stem.inputs(), "x");
  require_size(y.view, v.n, Stem::output_size(v.h), Stem::output_size(v.w), stem.outputs(), "y");
  stem.run(pool, v, scratch_for(stem, pool, v, scratch), y.view);
}

void run_fire(const Fire& fire, ThreadPool& pool, const Tensor& x, const Tensor& scratch,
              const Tensor& y, int above) {
  const View &v = x.view, &out = y.view;
  require_size(v, v.n, v.h, v.w, fire.squeeze().packed().in, "x");
  require_size(out, v.n, out.h, v.w, fire.expand1().packed().out + fire.expand3().out, "y");
  const int below = v.h - out.h - above;
  require((above == 0 || above == 1) && (below == 0 || below == 1),
          "of x, at most one row more than of y may be above and below");
  fire.run(pool, v, scratch_for(fire, pool, out, scratch), out, above);
}

void run_classifier(const Classifier& classifier, ThreadPool& pool, const Tensor& x,
                    const Tensor& scratch, const Tensor& logits) {
  const View& v = x.view;
  require_size(v, v.n, v.h, v.w, classifier.packed().in, "x");
  require_size(logits.view, v.n, 1, 1, classifier.packed().out, "logits");
  require(logits.is_contiguous(), "logits must be contiguous");
  classifier.run(pool, v, scratch_for(classifier, pool, v, scratch), logits.view.data);
}

void run_max_pool(const KernelTable& table, ThreadPool& pool, const Tensor& x, const Tensor& y,
                  bool ceil_mode) {
  const View& v = x.view;
  require_size(y.view, v.n, pooled_size(v.h, ceil_mode), pooled_size(v.w, ceil_mode), v.c, "y");
  max_pool(table, pool, v, y.view);
}

void run_add(const KernelTable& table, ThreadPool& pool, const Tensor& a, const Tensor& b,
             const Tensor& y) {
  const View& v = a.view;
  require_size(b.view, v.n, v.h, v.w, v.c, "b");
  require_size(y.view, v.n, v.h, v.w, v.c, "y");
  add(table, pool, v, b.view, y.view);
}

void run_move(const Tensor& x, const Tensor& y) {
  const View& v = x.view;
  require_size(y.view, v.n, v.h, v.w, v.c, "y");
  require(x.is_contiguous() && y.is_contiguous(), "move needs contiguous tensors");
  std::memmove(y.view.data, v.data, static_cast<std::size_t>(v.n) * v.image * sizeof(float));
}

void run_softmax(const KernelTable& table, const Tensor& x, const Tensor& y) {
  const View& v = x.view;
  require_size(y.view, v.n, v.h, v.w, v.c, "y");
  require(x.is_contiguous() && y.is_contiguous(), "softmax needs contiguous tensors");
  table.softmax_f32(v.data, y.view.data, v.n * v.h * v.w, v.c);
}

py::buffer_info buffer_of(const Tensor& t) {
  const View& v = t.view;
  const auto bytes = [](std::ptrdiff_t floats) {
    return static_cast<py::ssize_t>(floats * sizeof(float));
  };
  return py::buffer_info(v.data, sizeof(float), "f", 4, {v.n, v.h, v.w, v.c},
                         {bytes(v.image), bytes(v.row), bytes(v.pixel), bytes(1)});
}

void bind_tensors(py::module_& m) {
  py::class_<Tensor>(m, "Tensor", py::buffer_protocol(),
                     "float32 activations or weights, four sizes, channels last")
      .def(py::init(&Tensor::zeros), py::arg("shape"))
      .def_static("over", &over, py::arg("buffer").noconvert(), py::arg("shape"))
      .def_static("from_bytes", &from_bytes, py::arg("data"), py::arg("dtype"), py::arg("shape"))
      .def_buffer(&buffer_of)
      .def("part", &Tensor::part, py::arg("offset"), py::arg("shape"))
      .def(
          "inside",
          [](const Tensor& t, int border) {
            require(border >= 0 && border < (t.view.h + 1) / 2 && border < (t.view.w + 1) / 2,
                    "nothing is left inside the border");
            return Tensor{t.owner, inside(t.view, border)};
          },
          py::arg("border"))
      .def("is_finite",
           [](const Tensor& t) {
             require(t.is_contiguous(), "is_finite needs a contiguous tensor");
             return all_finite(t.view.data, static_cast<std::size_t>(t.view.n) * t.view.image);
           })
      .def(
          "top_k",
          [](const Tensor& t, int image, int k) {
            require(image >= 0 && image < t.view.n && t.is_contiguous(), "no such row");
            return top_k(t.view.data + image * t.view.image, static_cast<int>(t.view.image), k);
          },
          py::arg("image"), py::arg("k"))
      .def_property_readonly("shape", [](const Tensor& t) {
        return std::make_tuple(t.view.n, t.view.h, t.view.w, t.view.c);
      });
  m.def("import_nchw", &import_array, py::arg("pool"), py::arg("x").noconvert(), py::arg("y"));
  m.def("export_nchw", &export_array, py::arg("x"), py::arg("y"));
}

void bind_layers(py::module_& m) {
  py::class_<Conv>(m, "Conv")
      .def(py::init(
               [](const KernelTable& t, const Tensor& w, const Tensor& b, int stride, bool relu) {
                 require(stride > 0, "stride must be positive");
                 return std::make_unique<Conv>(t, pack(t, w, b), stride, relu);
               }),
           py::arg("table"), py::arg("weight"), py::arg("bias"), py::arg("stride") = 1,
           py::arg("relu") = true, Released())
      .def("scratch", &scratch_of<Conv>, py::arg("n"), py::arg("h"), py::arg("w"),
           py::arg("threads"))
      .def("__call__", &run_conv, py::arg("pool"), py::arg("x"), py::arg("scratch"), py::arg("y"),
           Released());
  py::class_<Stem>(m, "Stem")
      .def(py::init([](const KernelTable& t, const Tensor& w, const Tensor& b) {
             require_weights(w, b);
             require(w.view.w == 7 && w.view.c == 7, "the kernel must be 7 x 7");
             return std::make_unique<Stem>(t, w.view.data, b.view.data, w.view.n, w.view.h);
           }),
           py::arg("table"), py::arg("weight"), py::arg("bias"), Released())
      .def("scratch", &scratch_of<Stem>, py::arg("n"), py::arg("h"), py::arg("w"),
           py::arg("threads"))
      .def("__call__", &run_stem, py::arg("pool"), py::arg("x"), py::arg("scratch"), py::arg("y"),
           Released());
  py::class_<Fire>(m, "Fire")
      .def(py::init([](const KernelTable& t, const Tensor& ws, const Tensor& bs, const Tensor& w1,
                       const Tensor& b1, const Tensor& w3, const Tensor& b3, int tile) {
             require(w1.view.h == ws.view.n && w3.view.h == ws.view.n,
                     "both expands read the squeeze's channels");
             require(tile == 0 || (tile >= Winograd::kMinTile && tile <= Winograd::kMaxTile),
                     "tile must be from 2 to 7, or 0");
             return std::make_unique<Fire>(t, pack_sized(t, ws, bs, 1), pack_sized(t, w1, b1, 1),
                                           pack_winograd_3x3(t, w3, b3), tile);
           }),
           py::arg("table"), py::arg("squeeze_weight"), py::arg("squeeze_bias"),
           py::arg("expand1x1_weight"), py::arg("expand1x1_bias"), py::arg("expand3x3_weight"),
           py::arg("expand3x3_bias"), py::arg("tile") = 0, Released())
      .def("scratch", &scratch_of<Fire>, py::arg("n"), py::arg("h"), py::arg("w"),
           py::arg("threads"))
      .def("__call__", &run_fire, py::arg("pool"), py::arg("x"), py::arg("scratch"), py::arg("y"),
           py::arg("above") = 0, Released());
  py::class_<Classifier>(m, "Classifier")
      .def(py::init([](const KernelTable& t, const Tensor& w, const Tensor& b, int padding) {
             require(padding >= 0 && padding <= 8, "padding must be from 0 to 8");
             return std::make_unique<Classifier>(t, pack_sized(t, w, b, 1), padding);
           }),
           py::arg("table"), py::arg("weight"), py::arg("bias"), py::arg("padding") = 0, Released())
      .def("scratch", &scratch_of<Classifier>, py::arg("n"), py::arg("h"), py::arg("w"),
           py::arg("threads"))
      .def("__call__", &run_classifier, py::arg("pool"), py::arg("x"), py::arg("scratch"),
           py::arg("logits"), Released());
  m.def("max_pool", &run_max_pool, py::arg("table"), py::arg("pool"), py::arg("x"), py::arg("y"),
        py::arg("ceil_mode"), Released());
  m.def("add", &run_add, py::arg("table"), py::arg("pool"), py::arg("a"), py::arg("b"),
        py::arg("y"), Released());
  m.def("move", &run_move, py::arg("x"), py::arg("y"), Released());
  m.def("softmax", &run_softmax, py::arg("table"), py::arg("x"), py::arg("y"), Released());
  m.def("pooled_size", &pooled_size, py::arg("size"), py::arg("ceil_mode"));
}

void bind_dispatch(py::module_& m) {
  py::register_exception<UnsupportedIsa>(m, "UnsupportedIsaError");
  py::class_<KernelTable>(m, "KernelTable", "The kernels of one instruction set")
      .def_property_readonly("isa", [](const KernelTable& t) { return std::string(t.isa); })
      .def_readonly("lanes", &KernelTable::lanes)
      .def_readonly("conv_mr", &KernelTable::conv_mr)
      .def_readonly("conv_nr", &KernelTable::conv_nr)
      .def_readonly("max_tile", &KernelTable::max_tile)
      .def_readonly("stem_tile", &KernelTable::stem_tile)
      .def_readonly("filter_tiles", &KernelTable::filter_tiles)
      .def("capsule", [](const KernelTable& t) { return py::capsule(&t, "sqz.kernel_table"); });
  m.def("best_table", &best_table, py::return_value_policy::reference);
  m.def("table_named", &table_named, py::arg("isa"), py::return_value_policy::reference);
  m.def("cpu_features", [] { return feature_list(cpu_features()); });
  m.def(
      "x86_features",
      [](std::uint32_t leaf1_ecx, std::uint32_t leaf7_ebx, std::uint32_t leaf7_ecx,
         std::uint32_t leaf7_1_eax, std::uint64_t saved) {
        return feature_list(x86_features({leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax, saved}));
      },
      py::arg("leaf1_ecx"), py::arg("leaf7_ebx"), py::arg("leaf7_ecx"), py::arg("leaf7_1_eax"),
      py::arg("saved"));
  m.def("isa_entries", [] {
    py::list rows;
    for (const IsaEntry& e : isa_entries())
      rows.append(py::make_tuple(e.name, e.compiled, e.runnable, e.needs));
    return rows;
  });
  py::class_<ThreadPool>(m, "ThreadPool")
      .def(py::init([](int threads) {
             require(threads >= 1 && threads <= 1024, "threads must be in 1..1024");
             return std::make_unique<ThreadPool>(threads);
           }),
           py::arg("threads"))
      .def_property_readonly("threads", &ThreadPool::threads)
      .def_property("crowded", &ThreadPool::crowded, &ThreadPool::set_crowded);
}

}  // namespace

PYBIND11_MODULE(_kernels, m, py::mod_gil_not_used()) {
  m.doc() = "Compiled kernels of sqznet; the public interface is the package `sqznet`.";
  bind_tensors(m);
  bind_layers(m);
  bind_dispatch(m);
}

}  // namespace sqz
