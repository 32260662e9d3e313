// A layer or an operation bound to its tensors, and what the bindings of all layers share.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <functional>
#include <memory>

#include "bindings/tensor.h"
#include "bindings/without_lock.h"
#include "core/scratch.h"
#include "core/threadpool.h"

namespace sqz {

// Do not use it for constructors: pybind11 would add the new object to its list of all objects
// without the lock, and only the lock protects that list.
using Released = pybind11::call_guard<WithoutLock>;

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

using Pool = std::shared_ptr<ThreadPool>;

// Returns a function that binds a step and runs it at once.
template <typename... Args>
auto at_once(Step (*bind)(Args...)) {
  return [bind](Args... args) { bind(args...).run(); };
}

// Defines the calls that all layers have: with a pool and tensors, at once or as a step.
template <typename Layer, typename Bind, typename... Arguments>
void def_calls(pybind11::class_<Layer, std::shared_ptr<Layer>>& layer, Bind bind,
               const Arguments&... arguments) {
  layer
      .def("scratch", &scratch_bytes<Layer>, pybind11::arg("n"), pybind11::arg("h"),
           pybind11::arg("w"), pybind11::arg("threads"))
      .def("bind", bind, pybind11::arg("pool").none(false), pybind11::arg("x"),
           pybind11::arg("scratch"), arguments...)
      .def("__call__", at_once(bind), pybind11::arg("pool").none(false), pybind11::arg("x"),
           pybind11::arg("scratch"), arguments..., Released());
}

}  // namespace sqz
