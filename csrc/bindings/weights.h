// Weights from Python, checked and packed.
#pragma once

#include <string>

#include "bindings/tensor.h"
#include "core/layers.h"
#include "core/pack.h"

namespace sqz {

// A layer's parameters. The view's n, h, w, c are the weight's out, in, height, width.
struct Parameters {
  View weight;
  const float* bias;
};

// `kernel` is the required height and width of the weight, or 0 for any.
inline Parameters parameters(const Tensor& weight, const Tensor& bias, int kernel) {
  const View weights = weight.floats().view, biases = bias.floats().view;
  require(weight.is_contiguous() && bias.is_contiguous(), "weights must be contiguous");
  require(biases.n * biases.image == weights.n, "there must be one bias for each output channel");
  require(kernel == 0 || (weights.w == kernel && weights.c == kernel),
          "the kernel must be " + std::to_string(kernel) + " x " + std::to_string(kernel));
  return {weights, biases.data};
}

inline Packed pack(const Float32Kernels& table, const Tensor& weight, const Tensor& bias,
                   int kernel = 0) {
  const auto [weights, biases] = parameters(weight, bias, kernel);
  return pack_conv(weights.data, biases, weights.n, weights.h, weights.w, weights.c, table.conv_nr);
}

}  // namespace sqz
