// Binds the entropy coder of compressed weights, and their hash.
#include "core/entropy.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/parts.h"
#include "bindings/tensor.h"
#include "bindings/without_lock.h"

namespace py = pybind11;

namespace sqz {
namespace {

// The bytes of a contiguous buffer, which must outlive them.
struct Bytes {
  explicit Bytes(const py::buffer_info& info)
      : data(static_cast<const unsigned char*>(info.ptr)),
        size(static_cast<std::size_t>(info.size * info.itemsize)) {
    require(PyBuffer_IsContiguous(info.view(), 'C'), "the buffer must be contiguous");
  }
  const unsigned char* data;
  std::size_t size;
};

// A decoder with the buffer that it reads.
class HeldDecoder {
 public:
  HeldDecoder(const py::buffer& stream, const std::vector<Frequencies>& tables)
      : info_(stream.request()),
        count_(tables.size()),
        decoder_(Bytes(info_).data, Bytes(info_).size, tables) {}

  std::vector<std::int32_t> values(std::size_t table, std::size_t count) {
    require(table < count_, "there is no such table");
    std::vector<std::int32_t> found(count);
    decoder_.values(table, count, found.data());
    return found;
  }

  py::bytes weights(const Decoder::Side& rows, const Decoder::Side& columns, std::size_t first) {
    require(first < count_, "there is no such table");
    for (const Decoder::Side* side : {&rows, &columns}) {
      require(side->exponents.size() == side->classes.size(), "sides must have pairs");
      for (const std::int32_t exponent : side->exponents)
        require(-kLargestStep <= exponent && exponent <= kLargestStep, "a step is out of range");
      for (const std::int32_t number : side->classes)
        require(-kLargestCoded <= number && number <= kLargestCoded, "a class is out of range");
    }
    const std::size_t count = rows.exponents.size() * columns.exponents.size();
    py::bytes made(nullptr, count * sizeof(float));
    float* out = reinterpret_cast<float*>(PyBytes_AS_STRING(made.ptr()));
    WithoutLock release;
    decoder_.weights(rows, columns, first, out);
    return made;
  }

  void finish() const { decoder_.finish(); }

 private:
  py::buffer_info info_;
  std::size_t count_;
  Decoder decoder_;
};

using Numbers = std::vector<std::int32_t>;

class TableEncoder {
 public:
  explicit TableEncoder(const std::vector<Frequencies>& tables)
      : count_(tables.size()), encoder_(tables) {}

  // Adds rows of `length` values.
  void add(std::size_t length, const Numbers& tables, const Numbers& values) {
    require(length > 0 && values.size() % length == 0, "the last row is not full");
    require(tables.size() == values.size(), "each value needs a table");
    for (const std::int32_t table : tables)
      require(table >= 0 && static_cast<std::size_t>(table) < count_, "there is no such table");
    for (std::size_t i = 0; i < values.size(); ++i)
      encoder_.add(i % length, static_cast<std::size_t>(tables[i]), values[i]);
  }

  py::bytes stream() const {
    const std::vector<unsigned char> made = encoder_.stream();
    return {reinterpret_cast<const char*>(made.data()), made.size()};
  }

 private:
  std::size_t count_;
  Encoder encoder_;
};

}  // namespace

void bind_entropy(py::module_& m) {
  m.attr("TOKENS") = kTokens;
  m.attr("TABLE_SUM") = 1 << kTableBits;
  m.attr("LARGEST_CODED") = kLargestCoded;
  m.attr("LARGEST_STEP") = kLargestStep;
  m.def(
      "token_of",
      [](std::uint32_t magnitude) {
        require(magnitude <= kLargestCoded, "the magnitude is too large");
        return token_of(magnitude);
      },
      py::arg("magnitude"));
  py::class_<HeldDecoder>(m, "Decoder")
      .def(py::init<const py::buffer&, const std::vector<Frequencies>&>(), py::arg("stream"),
           py::arg("tables"))
      .def("values", &HeldDecoder::values, py::arg("table"), py::arg("count"))
      .def(
          "weights",
          [](HeldDecoder& self, std::array<Numbers, 2> rows, std::array<Numbers, 2> columns,
             std::size_t first) {
            return self.weights({std::move(rows[0]), std::move(rows[1])},
                                {std::move(columns[0]), std::move(columns[1])}, first);
          },
          py::arg("rows"), py::arg("columns"), py::arg("first"))
      .def("finish", &HeldDecoder::finish);
  py::class_<TableEncoder>(m, "Encoder")
      .def(py::init<const std::vector<Frequencies>&>(), py::arg("tables"))
      .def("add", &TableEncoder::add, py::arg("length"), py::arg("tables"), py::arg("values"))
      .def("stream", &TableEncoder::stream);
  m.def(
      "hash64",
      [](const py::buffer& data, std::uint64_t seed) {
        const py::buffer_info info = data.request();
        const Bytes bytes(info);
        return hash64(bytes.data, bytes.size, seed);
      },
      py::arg("data"), py::arg("seed") = 0);
}

}  // namespace sqz
