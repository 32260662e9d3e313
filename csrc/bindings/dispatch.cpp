// Binds the choice of kernels, the tables of the instruction sets and the thread pool.
#include "core/dispatch.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>

#include "bindings/parts.h"
#include "bindings/tensor.h"
#include "core/cpu.h"
#include "core/threadpool.h"

namespace py = pybind11;

namespace sqz {
namespace {

// The names of the families that have a table.
py::list families_of(const Kernels& kernels) {
  py::list families;
#define SQZ_FAMILY(name, table) \
  if (kernels.name) families.append(#name);
  SQZ_FAMILIES(SQZ_FAMILY)
#undef SQZ_FAMILY
  return families;
}

template <typename Table>
py::class_<Table> bind_table(py::module_& m, const char* name, const char* doc) {
  return py::class_<Table>(m, name, doc).def_property_readonly("isa", [](const Table& table) {
    return std::string(table.isa);
  });
}

void bind_families(py::module_& m) {
  auto f16 = bind_table<Float16Kernels>(m, "Float16Kernels",
                                        "The half-precision kernels of an instruction set");
#define SQZ_VALUE(name, constant) f16.def_readonly(#name, &Float16Kernels::name);
#include "sqz/f16.def"
  auto f32 =
      bind_table<Float32Kernels>(m, "Float32Kernels", "The float32 kernels of an instruction set");
#define SQZ_VALUE(name, constant) f32.def_readonly(#name, &Float32Kernels::name);
#include "sqz/f32.def"
  auto int8 = bind_table<Int8Kernels>(m, "Int8Kernels", "The int8 kernels of an instruction set");
#define SQZ_VALUE(name, constant) int8.def_readonly(#name, &Int8Kernels::name);
#include "sqz/int8.def"
  auto pixels = bind_table<PixelKernels>(
      m, "PixelKernels", "The kernels of an instruction set that resize and normalize photos");
  pixels.def("capsule", [](const PixelKernels& p) { return py::capsule(&p, "sqz.pixel_kernels"); });
  py::class_<Kernels> kernels(m, "Kernels", "The kernels of an instruction set, by family");
  kernels.def_property_readonly("isa", [](const Kernels& k) { return std::string(k.isa); });
#define SQZ_FAMILY(name, table)  \
  kernels.def_property_readonly( \
      #name, [](const Kernels& k) { return k.name; }, py::return_value_policy::reference);
  SQZ_FAMILIES(SQZ_FAMILY)
#undef SQZ_FAMILY
}

}  // namespace

void bind_dispatch(py::module_& m) {
  py::register_exception<UnsupportedIsa>(m, "UnsupportedIsaError");
  bind_families(m);
  m.def("best_kernels", &best_kernels);
  m.def("kernels_named", &kernels_named, py::arg("isa"));
  m.def("cpu_features", [] { return feature_list(cpu_features()); });
  m.def(
      "x86_features",
      [](std::uint32_t leaf1_ecx, std::uint32_t leaf7_ebx, std::uint32_t leaf7_ecx,
         std::uint32_t leaf7_1_eax, std::uint64_t saved) {
        return feature_list(x86_features({leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax, saved}));
      },
      py::arg("leaf1_ecx"), py::arg("leaf7_ebx"), py::arg("leaf7_ecx"), py::arg("leaf7_1_eax"),
      py::arg("saved"));
  m.def("instruction_sets", [] {
    py::list rows;
    for (const InstructionSet& set : instruction_sets())
      rows.append(py::make_tuple(set.name, families_of(set.compiled), set.runnable, set.needs));
    return rows;
  });
  py::class_<ThreadPool, std::shared_ptr<ThreadPool>>(m, "ThreadPool")
      .def(py::init([](int threads) {
             require(threads >= 1 && threads <= 1024, "threads must be in 1..1024");
             return std::make_shared<ThreadPool>(threads);
           }),
           py::arg("threads"))
      .def_property_readonly("threads", &ThreadPool::threads)
      .def_property("crowded", &ThreadPool::crowded, &ThreadPool::set_crowded);
}

}  // namespace sqz
