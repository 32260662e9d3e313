// The steps of the layers and operations that every type of numbers has: floats, halves, bytes.
// Shapes are checked here, so that no layer or kernel receives a view that is too small. `kMaps` is
// the method by which a tensor gives its view, which checks the type: &Tensor::floats, ...
#pragma once

#include <memory>

#include "bindings/step.h"
#include "bindings/tensor.h"

namespace sqz {

template <auto kMaps, typename Layer>
Step bind_conv(const std::shared_ptr<Layer>& conv, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y) {
  const auto in = (x.*kMaps)(), out = (y.*kMaps)();
  const auto& input = in.view;
  const auto& packed = conv->packed();
  require_size(input, input.n, input.h, input.w, packed.in, "x");
  // The kernels read the inputs of a kernel row as adjacent values.
  require(packed.kw == 1 || input.pixel == input.c, "x's pixels must be adjacent");
  require_size(out.view, input.n, conv->output_size(input.h, packed.kh),
               conv->output_size(input.w, packed.kw), packed.out, "y");
  const ScratchMemory memory = scratch_for(*conv, *pool, input, scratch);
  return {[=] { conv->run(*pool, in.view, memory.scratch, out.view); }};
}

template <auto kMaps, typename Layer>
Step bind_stem(const std::shared_ptr<Layer>& stem, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y) {
  const auto in = (x.*kMaps)(), out = (y.*kMaps)();
  const auto& input = in.view;
  require_size(input, input.n, input.h, input.w, stem->inputs(), "x");
  require_size(out.view, input.n, Layer::output_size(input.h), Layer::output_size(input.w),
               stem->outputs(), "y");
  const ScratchMemory memory = scratch_for(*stem, *pool, input, scratch);
  return {[=] { stem->run(*pool, in.view, memory.scratch, out.view); }};
}

template <auto kMaps, typename Layer>
Step bind_fire(const std::shared_ptr<Layer>& fire, const Pool& pool, const Tensor& x,
               const Tensor& scratch, const Tensor& y, int above) {
  const auto in = (x.*kMaps)(), out = (y.*kMaps)();
  const auto &input = in.view, &output = out.view;
  require_size(input, input.n, input.h, input.w, fire->inputs(), "x");
  require_size(output, input.n, output.h, input.w, fire->outputs(), "y");
  require_rows(input, output, above);
  const ScratchMemory memory = scratch_for(*fire, *pool, output, scratch);
  return {[=] { fire->run(*pool, in.view, memory.scratch, out.view, above); }};
}

template <auto kMaps, typename Layer>
Step bind_classifier(const std::shared_ptr<Layer>& classifier, const Pool& pool, const Tensor& x,
                     const Tensor& scratch, const Tensor& logits) {
  const auto in = (x.*kMaps)();
  const FloatMap out = logits.floats();
  const auto& input = in.view;
  require_size(input, input.n, input.h, input.w, classifier->packed().in, "x");
  require_size(out.view, input.n, 1, 1, classifier->packed().out, "logits");
  require(logits.is_contiguous(), "logits must be contiguous");
  const ScratchMemory memory = scratch_for(*classifier, *pool, input, scratch);
  return {[=] { classifier->run(*pool, in.view, memory.scratch, out.view.data); }};
}

template <auto kMaps, typename Table>
Step bind_max_pool(const Table& table, const Pool& pool, const Tensor& x, const Tensor& y,
                   bool ceil_mode) {
  const auto in = (x.*kMaps)(), out = (y.*kMaps)();
  const auto& input = in.view;
  require_size(out.view, input.n, pooled_size(input.h, ceil_mode), pooled_size(input.w, ceil_mode),
               input.c, "y");
  return {[=, &table] { max_pool(table, *pool, in.view, out.view); }};
}

template <auto kMaps, typename Table>
Step bind_add(const Table& table, const Pool& pool, const Tensor& a, const Tensor& b,
              const Tensor& y) {
  const auto first = (a.*kMaps)(), second = (b.*kMaps)(), sum = (y.*kMaps)();
  const auto& size = first.view;
  require_size(second.view, size.n, size.h, size.w, size.c, "b");
  require_size(sum.view, size.n, size.h, size.w, size.c, "y");
  return {[=, &table] { add(table, *pool, first.view, second.view, sum.view); }};
}

}  // namespace sqz
