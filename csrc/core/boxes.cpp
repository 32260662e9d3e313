#include "core/boxes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "core/box_parts.h"

namespace sqz {
namespace {

// A class's logit at a pixel. `order` counts them over all levels.
struct Candidate {
  float logit;
  std::int64_t order;
  const float* pixel;  // its logits, then its sides
  const BoxLevel* level;
  int row, column, index;
};

bool comes_before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.order < b.order;
}

std::vector<Candidate> list_candidates(const std::vector<BoxLevel>& levels, int image,
                                       const BoxRules& rules) {
  const int classes = static_cast<int>(rules.thresholds.size());
  std::vector<float> lowest;
  for (double threshold : rules.thresholds) lowest.push_back(lowest_logit(threshold));
  std::vector<Candidate> found;
  std::int64_t order = 0;
  for (const BoxLevel& level : levels) {
    const View& map = level.map;
    for (int row = 0; row < map.h; ++row) {
      const float* pixel = map.data + image * map.image + row * map.row;
      for (int column = 0; column < map.w; ++column, pixel += map.pixel, order += classes)
        for (int c = 0; c < classes; ++c) {
          if (pixel[c] < lowest[c]) continue;  // not for NaN
          if (!std::isfinite(pixel[c])) throw std::domain_error("a logit is not finite");
          if (score_of(pixel[c]) < rules.thresholds[c]) continue;
          found.push_back({pixel[c], order + c, pixel, &level, row, column, c});
        }
    }
  }
  return found;
}

FoundBox decode(const Candidate& candidate, int classes, const BoxRules& rules) {
  const BoxLevel& level = *candidate.level;
  const float x = level.first + level.stride * static_cast<float>(candidate.column),
              y = level.first + level.stride * static_cast<float>(candidate.row);
  float sides[4];
  for (int i = 0; i < 4; ++i) {
    const float side = candidate.pixel[classes + i];
    if (std::isnan(side)) throw std::domain_error("the side of a box is not a number");
    sides[i] = level.stride * std::exp(std::min(std::max(side, -rules.limit), rules.limit));
  }
  return {candidate.index,
          score_of(candidate.logit),
          clipped((x - sides[0]) / rules.width),
          clipped((y - sides[1]) / rules.height),
          clipped((x + sides[2]) / rules.width),
          clipped((y + sides[3]) / rules.height)};
}

}  // namespace

std::vector<FoundBox> find_boxes(const std::vector<BoxLevel>& levels, int image,
                                 const BoxRules& rules) {
  const int classes = static_cast<int>(rules.thresholds.size());
  return best_boxes(list_candidates(levels, image, rules), rules, comes_before,
                    [&](const Candidate& candidate) { return decode(candidate, classes, rules); });
}

}  // namespace sqz
