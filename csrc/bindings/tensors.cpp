// Binds tensors, and what converts or reads them without a layer. The module does not need NumPy,
// because tensors support the buffer protocol.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>

#include "bindings/parts.h"
#include "bindings/tensor.h"
#include "bindings/without_lock.h"
#include "core/convert.h"

namespace py = pybind11;

namespace sqz {
namespace {

using Released = py::call_guard<WithoutLock>;

// In the order of Dtype's values.
constexpr struct {
  Dtype dtype;
  const char* name;
  const char* format;  // in the buffer protocol
} kDtypes[] = {{Dtype::float32, "float32", "f"},
               {Dtype::float16, "float16", "e"},
               {Dtype::int32, "int32", "i"},
               {Dtype::int8, "int8", "b"},
               {Dtype::uint8, "uint8", "B"}};

Dtype dtype_named(const std::string& name) {
  for (const auto& d : kDtypes)
    if (name == d.name) return d.dtype;
  throw std::invalid_argument("unknown dtype '" + name + "'");
}

// Where a long has 32 bits, as on 32-bit ARM and Windows, NumPy calls int32 "l".
bool holds(const py::buffer_info& info, const std::string& format) {
  return info.format == format || (format == "i" && info.format == "l" && info.itemsize == 4);
}

const auto& described(Dtype dtype) { return kDtypes[static_cast<int>(dtype)]; }

Tensor zeros(const Shape& shape, const std::string& dtype) {
  return Tensor::zeros(shape, dtype_named(dtype));
}

// Returns a tensor that uses the buffer's memory, without a copy or conversion.
Tensor over(const py::buffer& object, const Shape& shape, const std::string& dtype) {
  auto info = std::make_shared<py::buffer_info>(object.request(true));
  const auto& type = described(dtype_named(dtype));
  require(holds(*info, type.format), "the buffer must hold " + dtype);
  require(PyBuffer_IsContiguous(info->view(), 'C'), "the buffer must be contiguous");
  require(bytes_of(shape, type.dtype) == static_cast<std::size_t>(info->size * info->itemsize),
          "the buffer's size does not match the shape");
  require_aligned(info->ptr, type.dtype);
  // The buffer may be released on any thread, but only with the GIL.
  std::shared_ptr<void> owner(info.get(), [info](void*) mutable {
    py::gil_scoped_acquire gil;
    info.reset();
  });
  return Tensor::contiguous(owner, info->ptr, shape, type.dtype);
}

StoredFloat stored_float_named(const std::string& name) {
  if (name == "float16") return StoredFloat::float16;
  if (name == "bfloat16") return StoredFloat::bfloat16;
  if (name == "float32") return StoredFloat::float32;
  if (name == "float64") return StoredFloat::float64;
  throw std::invalid_argument("unknown dtype '" + name + "'");
}

// Converts a file's floats to a float32 tensor.
Tensor from_bytes(const py::buffer& data, const std::string& dtype, const Shape& shape) {
  const py::buffer_info info = data.request();
  const StoredFloat stored = stored_float_named(dtype);
  const std::size_t count = bytes_of(shape, Dtype::float32) / sizeof(float);
  require(PyBuffer_IsContiguous(info.view(), 'C'), "the data must be contiguous");
  require(static_cast<std::size_t>(info.size) * info.itemsize == count * item_size(stored),
          "the data's size does not match the shape");
  Tensor t = Tensor::zeros(shape, Dtype::float32);
  WithoutLock release;
  to_float32(static_cast<const unsigned char*>(info.ptr), stored, count, t.floats().view.data);
  return t;
}

// The values of a float32 array (N, C, H, W) and their distances in bytes.
struct Source {
  const unsigned char* data;
  std::array<std::ptrdiff_t, 4> strides;
};

// Requires that `x` has the shape of `y`. The buffer that `x` exports must outlive the source.
template <typename T>
Source source_for(const MapView<T>& y, const py::buffer_info& x) {
  // NumPy's format of unaligned float32 is "=f".
  require((x.format == "f" || x.format == "=f") && x.ndim == 4,
          "x must be float32 with four dimensions");
  require(x.shape[0] == y.n && x.shape[1] == y.c && x.shape[2] == y.h && x.shape[3] == y.w,
          "x does not have the tensor's shape");
  return {static_cast<const unsigned char*>(x.ptr),
          {x.strides[0], x.strides[1], x.strides[2], x.strides[3]}};
}

float import_array(ThreadPool& pool, const py::buffer& x, const Tensor& y) {
  const py::buffer_info info = x.request();
  const FloatMap target = y.floats();
  const Source source = source_for(target.view, info);
  WithoutLock release;
  return import_nchw(pool, source.data, source.strides.data(), target.view);
}

float import_levels(const Int8Kernels& table, ThreadPool& pool, const py::buffer& x,
                    const Tensor& y, const std::array<float, 3>& mean,
                    const std::array<float, 3>& step, const std::array<int, 2>& limits) {
  const py::buffer_info info = x.request();
  const ByteMap target = y.levels();
  const auto [lowest, highest] = limits;
  require(0 <= lowest && lowest <= highest && highest <= 255, "the limits must be bytes in order");
  require(target.view.c == 3, "x does not have the tensor's shape");
  const Source source = source_for(target.view, info);
  WithoutLock release;
  return import_nchw_levels(table, pool, source.data, source.strides.data(), target.view,
                            mean.data(), step.data(), lowest, highest);
}

void export_array(const Tensor& x, const Tensor& y) {
  const Shape expected = {x.shape[0], x.shape[3], x.shape[1], x.shape[2]};
  require(y.is_contiguous() && y.shape == expected,
          "the output must be a contiguous tensor with x's shape in the order n, c, h, w");
  export_nchw(x.floats().view, y.floats().view.data);
}

void run_softmax(const Float32Kernels& table, const Tensor& x, const Tensor& y) {
  const View v = x.floats().view, to = y.floats().view;
  require_size(to, v.n, v.h, v.w, v.c, "y");
  require(x.is_contiguous() && y.is_contiguous(), "softmax needs contiguous tensors");
  table.softmax_f32(v.data, to.data, v.n * v.h * v.w, v.c);
}

py::buffer_info buffer_of(const Tensor& t) {
  const py::ssize_t item = item_size(t.dtype);
  return py::buffer_info(t.data, item, described(t.dtype).format, 4, t.shape,
                         std::array{t.image * item, t.row * item, t.pixel * item, item});
}

}  // namespace

void bind_tensors(py::module_& m) {
  py::class_<Tensor>(m, "Tensor", py::buffer_protocol(),
                     "Activations, weights or scratch memory with four dimensions, channels last")
      .def(py::init(&zeros), py::arg("shape"), py::arg("dtype") = "float32")
      .def_static("over", &over, py::arg("buffer").noconvert(), py::arg("shape"),
                  py::arg("dtype") = "float32")
      .def_static("from_bytes", &from_bytes, py::arg("data"), py::arg("dtype"), py::arg("shape"))
      .def_buffer(&buffer_of)
      .def(
          "part",
          [](const Tensor& t, std::size_t offset, const Shape& shape, const std::string& dtype) {
            return t.part(offset, shape, dtype_named(dtype));
          },
          py::arg("offset"), py::arg("shape"), py::arg("dtype") = "float32")
      .def("inside", &Tensor::inside, py::arg("border"))
      .def("channels", &Tensor::channels, py::arg("first"), py::arg("count"))
      .def(
          "fill",
          [](const Tensor& t, const py::bytes& pixel) {
            const ByteView v = t.levels().view;
            const std::string values = pixel;
            require(t.is_contiguous() && values.size() == static_cast<std::size_t>(v.c),
                    "fill needs a contiguous tensor and a byte for each channel");
            for (std::size_t i = 0; i < t.bytes(); i += values.size())
              std::copy(values.begin(), values.end(), v.data + i);
          },
          py::arg("pixel"))
      .def("is_finite",
           [](const Tensor& t) {
             require(t.is_contiguous(), "is_finite needs a contiguous tensor");
             if (t.dtype == Dtype::float16)
               return all_finite(t.halves().view.data, t.bytes() / sizeof(Half));
             return all_finite(t.floats().view.data, t.bytes() / sizeof(float));
           })
      .def("largest_rows",
           [](const Tensor& t) {
             require(t.is_contiguous() && t.shape[0] > 0,
                     "largest_rows needs a contiguous tensor with rows");
             const std::size_t rows = static_cast<std::size_t>(t.shape[0]);
             const RowSums sums =
                 largest_rows(t.floats().view.data, rows, t.bytes() / sizeof(float) / rows);
             return std::make_pair(sums.magnitude, sums.positive);
           })
      .def(
          "top_k",
          [](const Tensor& t, int image, int k) {
            const View v = t.floats().view;
            require(image >= 0 && image < v.n && t.is_contiguous(),
                    "top_k needs a contiguous tensor and the index of one of its images");
            return top_k(v.data + image * v.image, static_cast<int>(v.image), k);
          },
          py::arg("image"), py::arg("k"))
      .def_property_readonly("dtype", [](const Tensor& t) { return described(t.dtype).name; })
      .def_property_readonly("shape", [](const Tensor& t) { return std::tuple_cat(t.shape); });
  m.def("import_nchw", &import_array, py::arg("pool"), py::arg("x").noconvert(), py::arg("y"));
  m.def("import_nchw_levels", &import_levels, py::arg("kernels"), py::arg("pool"),
        py::arg("x").noconvert(), py::arg("y"), py::arg("mean"), py::arg("step"),
        py::arg("limits") = std::array<int, 2>{0, 255});
  m.def("export_nchw", &export_array, py::arg("x"), py::arg("y"));
  m.def("softmax", &run_softmax, py::arg("kernels"), py::arg("x"), py::arg("y"), Released());
  m.def("pooled_size", &pooled_size, py::arg("size"), py::arg("ceil_mode"));
}

}  // namespace sqz
