// Binds the packed layers of a fire: all of it, and a 3x3 convolution alone.
#include <pybind11/stl.h>

#include <memory>

#include "bindings/layer_steps.h"
#include "bindings/parts.h"
#include "bindings/step.h"
#include "bindings/tensor.h"
#include "bindings/weights.h"
#include "bindings/without_lock.h"

namespace py = pybind11;

namespace sqz {
namespace {

void require_tile(int tile) {
  require(tile == 0 || (tile >= Winograd::kMinTile && tile <= Winograd::kMaxTile),
          "tile must be 0 or from 4 to 7");
}

Step bind_padded_conv(const std::shared_ptr<PaddedConv>& conv, const Pool& pool, const Tensor& x,
                      const Tensor& scratch, const Tensor& y, int above) {
  const FloatMap in = x.floats(), out = y.floats();
  const View &input = in.view, &output = out.view;
  require_size(input, input.n, input.h, input.w, conv->packed().in, "x");
  require_size(output, input.n, output.h, input.w, conv->packed().out, "y");
  require_rows(input, output, above);
  const ScratchMemory memory = scratch_for(*conv, *pool, output, scratch);
  return {[=] { conv->run(*pool, in.view, memory.scratch, out.view, above); }};
}

}  // namespace

void bind_fires(py::module_& m) {
  py::class_<PaddedConv, std::shared_ptr<PaddedConv>> padded(m, "PaddedConv");
  padded.def(py::init([](const Float32Kernels& table, const Tensor& weight, const Tensor& bias,
                         bool relu, int tile) {
               const WithoutLock released;
               require_tile(tile);
               return std::make_shared<PaddedConv>(
                   table, pack_winograd(parameters(weight, bias, 3), table.conv_nr), tile, relu);
             }),
             py::arg("kernels"), py::arg("weight"), py::arg("bias"), py::arg("relu") = true,
             py::arg("tile") = 0);
  padded.def(
      "tiles",
      [](const PaddedConv& conv, int h, int w) {
        require(h > 0 && w > 0, "sizes must be positive");
        const WinogradTiles tiles = conv.winograd().tiles(h, w);
        return py::make_tuple(tiles.tile, tiles.rows.small, tiles.columns.small);
      },
      py::arg("h"), py::arg("w"));
  def_calls(padded, &bind_padded_conv, py::arg("y"), py::arg("above") = 0);
  py::class_<Fire, std::shared_ptr<Fire>> fire(m, "Fire");
  fire.def(py::init([](const Float32Kernels& table, const Tensor& squeeze_weight,
                       const Tensor& squeeze_bias, const Tensor& expand1_weight,
                       const Tensor& expand1_bias, const Tensor& expand3_weight,
                       const Tensor& expand3_bias, int tile) {
             const WithoutLock released;
             require(expand1_weight.shape[1] == squeeze_weight.shape[0] &&
                         expand3_weight.shape[1] == squeeze_weight.shape[0],
                     "both expands must have as many inputs as the squeeze has outputs");
             require_tile(tile);
             const int nr = table.conv_nr;
             return std::make_shared<Fire>(
                 table, pack_conv(parameters(squeeze_weight, squeeze_bias, 1), nr),
                 pack_conv(parameters(expand1_weight, expand1_bias, 1), nr),
                 pack_winograd(parameters(expand3_weight, expand3_bias, 3), nr), tile);
           }),
           py::arg("kernels"), py::arg("squeeze_weight"), py::arg("squeeze_bias"),
           py::arg("expand1x1_weight"), py::arg("expand1x1_bias"), py::arg("expand3x3_weight"),
           py::arg("expand3x3_bias"), py::arg("tile") = 0);
  def_calls(fire, &bind_fire<&Tensor::floats, Fire>, py::arg("y"), py::arg("above") = 0);
}

}  // namespace sqz
