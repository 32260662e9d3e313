// Times the stages of a fire module one by one; stages.py compiles and runs it.
//
// usage: stages MAP SIDE INPUTS SQUEEZE EXPAND TILE ROUNDS
// MAP is a file of SIDE x SIDE x INPUTS float32, the input of the fire module; weights do not matter.
// Prints the minimum milliseconds of each stage.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "core/pack.h"
#include "kernels/f32/winograd.cpp"  // for its internal stages

namespace sqz {
namespace SQZ_ISA {
namespace {

struct Stage {
  const char* name;
  double least = 1e9;

  template <typename Body>
  void time(const Body& body) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - begin;
    least = std::min(least, taken.count());
  }
};

View view_of(float* data, int h, int w, int c, ptrdiff_t pixel) {
  return {data, 1, h, w, c, pixel, w * pixel, h * w * pixel};
}

std::vector<float> values(std::size_t count) {
  std::mt19937 random(1);
  std::vector<float> made(count);
  for (float& value : made) value = static_cast<float>(random() % 200) * 0.001f - 0.1f;
  return made;
}

template <int kSide>
void run(float* map, int side, int inputs, int squeeze, int expand, int rounds) {
  constexpr int kPoints = kSide * kSide;
  const std::vector<float> bias = values(static_cast<std::size_t>(std::max(squeeze, expand)));
  const auto packed = [&](int out, int in) {
    const auto w = values(static_cast<std::size_t>(out) * in);
    return pack_conv(w.data(), bias.data(), out, in, 1, 1, kConvNr);
  };
  const Packed w0 = packed(squeeze, inputs), w1 = packed(expand, squeeze);
  const auto filters = values(static_cast<std::size_t>(expand) * squeeze * 9);
  const Packed w3 = pack_winograd(filters.data(), bias.data(), expand, squeeze, 3, kConvNr);

  const int framed = side + 2;
  Array<float> squeezed(static_cast<std::size_t>(framed) * framed * squeeze);
  Array<float> y(static_cast<std::size_t>(side) * side * 2 * expand);
  const View frame = view_of(squeezed.data(), framed, framed, squeeze, squeeze);
  View inner = frame;
  inner.data += frame.row + frame.pixel;
  inner.h = inner.w = side;
  const ConvArgs a0{view_of(map, side, side, inputs, inputs),
                    inner,
                    w0.weight.data(),
                    w0.bias.data(),
                    1,
                    1,
                    1,
                    true};
  const ConvArgs a1{inner,
                    view_of(y.data(), side, side, expand, 2 * expand),
                    w1.weight.data(),
                    w1.bias.data(),
                    1,
                    1,
                    1,
                    true};
  WinogradArgs a3{frame,
                  view_of(y.data() + expand, side, side, expand, 2 * expand),
                  w3.weight.data(),
                  w3.bias.data(),
                  nullptr,
                  3,
                  kSide - 2,
                  true};
  const TileGrid grid = grid_of(a3);
  Array<float> points(static_cast<std::size_t>(grid.blocks) * kPoints *
                      point_stride(kConvMr, squeeze));
  Array<float> u(static_cast<std::size_t>(kPoints) * point_stride(kConvNr, squeeze));
  Array<float> products(static_cast<std::size_t>(kConvMr) * kPoints * kConvNr);
  a3.points = points.data();

  const auto tiles_in = [&](int64_t b) {
    return static_cast<int>(grid.first_tile(b + 1) - grid.first_tile(b));
  };
  Stage stages[] = {{"squeeze"}, {"expand1x1"}, {"input"}, {"filters"}, {"products"}, {"output"}};
  for (int round = 0; round < rounds; ++round) {
    stages[0].time([&] { squeeze_f32(a0, 0, squeeze_f32_items(a0)); });
    stages[1].time([&] { conv_f32(a1, 0, conv_f32_items(a1)); });
    stages[2].time([&] { winograd_input_f32(a3, 0, winograd_input_f32_items(a3)); });
    stages[3].time([&] {
      for (int c = 0; c < expand; c += kConvNr)
        transform_filters<kSide, 3>(a3.w + static_cast<ptrdiff_t>(c) * 9 * squeeze, squeeze,
                                    point_stride(kConvNr, squeeze), u.data());
    });
    stages[4].time([&] {
      for (int c = 0; c < expand; c += kConvNr)
        for (int64_t b = 0; b < grid.blocks; ++b)
          multiply_block<kPoints>(tiles_in(b), points_of(a3, b), u.data(), squeeze,
                                  products.data());
    });
    stages[5].time([&] {
      for (int c = 0; c < expand; c += kConvNr)
        for (int64_t b = 0; b < grid.blocks; ++b)
          for (int t = 0; t < tiles_in(b); ++t)
            untransform_tile<kSide, 3>(a3, grid, grid.first_tile(b) + t,
                                       products.data() + t * kPoints * kConvNr, c);
    });
  }
  for (const Stage& stage : stages) std::printf("%s %.5f\n", stage.name, stage.least);
  std::printf("points %lld\n", static_cast<long long>(grid.tiles * kPoints));
}

int main_(char** argv) {
  const int side = std::atoi(argv[2]), inputs = std::atoi(argv[3]), squeeze = std::atoi(argv[4]),
            expand = std::atoi(argv[5]), tile = std::atoi(argv[6]), rounds = std::atoi(argv[7]);
  const std::size_t floats = static_cast<std::size_t>(side) * side * inputs;
  Array<float> map(floats);
  std::FILE* file = std::fopen(argv[1], "rb");
  if (file == nullptr || std::fread(map.data(), 4, floats, file) != floats) return 1;
  std::fclose(file);
  if (tile == 4) run<6>(map.data(), side, inputs, squeeze, expand, rounds);
  if (tile == 5) run<7>(map.data(), side, inputs, squeeze, expand, rounds);
  if (tile == 6) run<8>(map.data(), side, inputs, squeeze, expand, rounds);
  if (tile == 7) run<9>(map.data(), side, inputs, squeeze, expand, rounds);
  return 0;
}

}  // namespace
}  // namespace SQZ_ISA
}  // namespace sqz

int main(int argc, char** argv) { return argc == 8 ? sqz::SQZ_ISA::main_(argv) : 2; }
