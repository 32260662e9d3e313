// Times the stages of a fire module one by one; stages.py compiles and runs it.
//
// usage: stages MAP SIDE INPUTS SQUEEZE EXPAND TILE SMALL ROUNDS
// MAP is a file with the fire module's input, SIDE x SIDE x INPUTS float32. The weights are random
// half-precision numbers, as those of the bundled file are. The last SMALL rows and columns of tiles
// have two outputs fewer than TILE.
// Prints the minimum time of each stage, in milliseconds.
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

View view_of(float* data, int height, int width, int channels, ptrdiff_t pixel) {
  return {data, 1, height, width, channels, pixel, width * pixel, height * width * pixel};
}

std::vector<float> values(std::size_t count) {
  std::mt19937 random(1);
  std::vector<float> made(count);
  for (float& value : made) value = static_cast<float>(random() % 200) / 1024.0f - 0.125f;
  return made;
}

template <int kSide>
void run(float* map, int side, int inputs, int squeeze, int expand, int small, int rounds) {
  constexpr int kPoints = kSide * kSide;
  const std::vector<float> bias = values(static_cast<std::size_t>(std::max(squeeze, expand)));
  const auto packed = [&](int out, int in) {
    const auto weights = values(static_cast<std::size_t>(out) * in);
    return pack_conv({weights.data(), bias.data(), out, in, 1, 1}, kConvNr);
  };
  const Packed squeeze_weights = packed(squeeze, inputs), expand1_weights = packed(expand, squeeze);
  const auto filters = values(static_cast<std::size_t>(expand) * squeeze * 9);
  const PackedCompact expand3_weights =
      pack_winograd({filters.data(), bias.data(), expand, squeeze, 3, 3}, kConvNr);

  const int framed = side + 2;
  Array<float> squeezed(static_cast<std::size_t>(framed) * framed * squeeze);
  Array<float> output(static_cast<std::size_t>(side) * side * 2 * expand);
  const View frame = view_of(squeezed.data(), framed, framed, squeeze, squeeze);
  View inner = frame;
  inner.data += frame.row + frame.pixel;
  inner.h = inner.w = side;
  const ConvArgs squeeze_args{view_of(map, side, side, inputs, inputs),
                              inner,
                              squeeze_weights.weight.data(),
                              squeeze_weights.bias.data(),
                              1,
                              1,
                              1,
                              true};
  const ConvArgs expand1_args{inner,
                              view_of(output.data(), side, side, expand, 2 * expand),
                              expand1_weights.weight.data(),
                              expand1_weights.bias.data(),
                              1,
                              1,
                              1,
                              true};
  WinogradArgs expand3_args{frame,
                            view_of(output.data() + expand, side, side, expand, 2 * expand),
                            expand3_weights.weights(),
                            expand3_weights.bias.data(),
                            nullptr,
                            3,
                            kSide - 2,
                            small,
                            small,
                            true};
  const Tiling tiling = tiling_of(expand3_args);
  Array<float> points(static_cast<std::size_t>(tiling.blocks) * kPoints *
                      point_stride(kConvMr, squeeze));
  Array<float> transformed(static_cast<std::size_t>(kPoints) * point_stride(kConvNr, squeeze));
  Array<float> products(static_cast<std::size_t>(kConvMr) * kPoints * kConvNr);
  Array<std::byte> lists(squeeze_f32_lists());
  expand3_args.points = points.data();

  // Calls body(down, across, group, block) for all blocks of tiles.
  const auto for_blocks = [&](const auto& body) {
    for_groups(tiling, &TileGroup::blocks, 0, tiling.blocks, [&](int group, int64_t, int64_t last) {
      with_transforms<kSide, 3>(group, [&](auto down, auto across) {
        for (int64_t block = 0; block < last; ++block)
          body(down, across, tiling.groups[group], block);
      });
    });
  };
  Stage stages[] = {{"squeeze"}, {"expand1x1"}, {"input"}, {"filters"}, {"products"}, {"output"}};
  for (int round = 0; round < rounds; ++round) {
    stages[0].time(
        [&] { squeeze_f32(squeeze_args, 0, squeeze_f32_items(squeeze_args), lists.data()); });
    stages[1].time([&] { conv_f32(expand1_args, 0, conv_f32_items(expand1_args)); });
    stages[2].time(
        [&] { winograd_input_f32(expand3_args, 0, winograd_input_f32_items(expand3_args)); });
    stages[3].time([&] {
      for (int channel = 0; channel < expand; channel += kConvNr)
        block_filters<kSide, 3>(expand3_args, channel, transformed.data());
    });
    stages[4].time([&] {
      for (int channel = 0; channel < expand; channel += kConvNr)
        for_blocks([&](auto down, auto across, const TileGroup& group, int64_t block) {
          multiply_tiles<kSide, decltype(down), decltype(across)>(
              expand3_args, group, block, transformed.data(), products.data());
        });
    });
    stages[5].time([&] {
      for (int channel = 0; channel < expand; channel += kConvNr)
        for_blocks([&](auto down, auto across, const TileGroup& group, int64_t block) {
          untransform_tiles<decltype(down), decltype(across)>(expand3_args, group, block,
                                                              products.data(), channel);
        });
    });
  }
  for (const Stage& stage : stages) std::printf("%s %.5f\n", stage.name, stage.least);
  std::printf("points %lld\n", static_cast<long long>(tiling.points));
}

int main_(char** argv) {
  const int side = std::atoi(argv[2]), inputs = std::atoi(argv[3]), squeeze = std::atoi(argv[4]),
            expand = std::atoi(argv[5]), tile = std::atoi(argv[6]), small = std::atoi(argv[7]),
            rounds = std::atoi(argv[8]);
  const std::size_t floats = static_cast<std::size_t>(side) * side * inputs;
  Array<float> map(floats);
  std::FILE* file = std::fopen(argv[1], "rb");
  if (file == nullptr || std::fread(map.data(), 4, floats, file) != floats) return 1;
  std::fclose(file);
  if (tile == 4) run<6>(map.data(), side, inputs, squeeze, expand, small, rounds);
  if (tile == 5) run<7>(map.data(), side, inputs, squeeze, expand, small, rounds);
  if (tile == 6) run<8>(map.data(), side, inputs, squeeze, expand, small, rounds);
  if (tile == 7) run<9>(map.data(), side, inputs, squeeze, expand, small, rounds);
  return 0;
}

}  // namespace
}  // namespace SQZ_ISA
}  // namespace sqz

int main(int argc, char** argv) { return argc == 9 ? sqz::SQZ_ISA::main_(argv) : 2; }
