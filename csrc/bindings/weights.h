// Weights from Python, checked.
#pragma once

#include <string>

#include "bindings/tensor.h"
#include "core/pack.h"

namespace sqz {

// A layer's parameters. `kernel` is the required height and width of the weight, or 0 for any.
inline FloatWeights parameters(const Tensor& weight, const Tensor& bias, int kernel = 0) {
  const View weights = weight.floats().view, biases = bias.floats().view;
  require(weight.is_contiguous() && bias.is_contiguous(), "weights must be contiguous");
  require(biases.n * biases.image == weights.n, "there must be one bias for each output channel");
  require(kernel == 0 || (weights.w == kernel && weights.c == kernel),
          "the kernel must be " + std::to_string(kernel) + " x " + std::to_string(kernel));
  return {weights.data, biases.data, weights.n, weights.h, weights.w, weights.c};
}

}  // namespace sqz
