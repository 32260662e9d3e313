// Packs int8 weights into the order in which the int8 kernels read them.
#pragma once

#include <cstdint>
#include <optional>

#include "core/buffer.h"
#include "sqz/int8.h"

namespace sqz {

// The weights of a convolution, int8. The sum of an output channel is scaled to the next map's
// bytes, or to logits.
struct IntegerWeights {
  const std::int8_t* weight;  // out x in x kh x kw
  const std::int32_t* bias;   // out
  const float* scale;         // out
  int out, in, kh, kw;
};

struct PackedBytes {
  // For each block of `registers` registers (fewer in the last one) or, for the classifier, of
  // `list_registers`: for each input word in the order in which the kernel reads them, `group`
  // weights for each output channel of the block.
  // For Winograd's algorithm: for each block of `point_block` channels, each word of `point_group`
  // inputs and each tap.
  Buffer weight;
  Array<std::int32_t> bias;  // padded like the blocks, as is scale
  Array<float> scale;
  int out = 0, in = 0, kh = 0, kw = 0;
  std::int64_t largest_sum = 0;  // of any output channel, for any input, as an absolute value
  bool narrow = false;           // such a sum times its scale fits into 16 bits
};

// The kernel that reads the weights: conv_i8; or classifier_i8, which has blocks of its own and fills
// the last input word of a pixel with zeros.
enum class Reader { conv, classifier };

// Throws std::invalid_argument if a sum may need more than 32 bits.
PackedBytes pack_int8(const Int8Kernels& table, const IntegerWeights& weights, Reader reader);

// Packs for winograd_output_i8, if the set has it and it can compute this layer, see sqz/int8.h.
std::optional<PackedBytes> pack_winograd(const Int8Kernels& table, const IntegerWeights& weights);

// The sum of each output channel of a 1x1 convolution for a pixel with the bytes `border`, which its
// padding holds.
Array<std::int32_t> border_sums(const IntegerWeights& weights, const std::uint8_t* border);

// q = round(w * input_scale[i] / weight_scale[o]), clipped to -127..127: the integers of float32
// weights, with one scale for each input and for each output channel.
void quantize_weights(const float* weight, const float* input_scale, const float* weight_scale,
                      int out, int in, int taps, std::int8_t* quantized);

}  // namespace sqz
