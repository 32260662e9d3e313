#include "core/boxes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>

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

// A logit below which the score is certainly below the threshold. Almost all logits are, so scores
// are computed only for the others, and compared exactly.
float lowest_logit(double threshold) {
  if (threshold <= 0) return -std::numeric_limits<float>::infinity();
  if (threshold >= 1) return 30;  // from about 37 on, the score is rounded to 1
  const double logit = std::log(threshold / (1 - threshold));
  return static_cast<float>(logit - 1e-5 * (1 + std::abs(logit)));
}

double score_of(float logit) { return 1 / (1 + std::exp(-static_cast<double>(logit))); }

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

float clipped(float x) { return std::min(std::max(x, 0.0f), 1.0f); }

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

// The boxes that are kept, by coordinate, so that a box is compared with several at once.
struct Kept {
  std::vector<float> x0, y0, x1, y1, area;
  std::vector<int> index;

  void add(const FoundBox& box, float size) {
    x0.push_back(box.x0), y0.push_back(box.y0), x1.push_back(box.x1), y1.push_back(box.y1);
    area.push_back(size), index.push_back(box.index);
  }

  // Whether intersection / union > iou with any box of the same class.
  bool overlaps(const FoundBox& box, float size, float iou) const {
    int any = 0;
    for (std::size_t i = 0; i < index.size(); ++i) {
      const float w = std::min(x1[i], box.x1) - std::max(x0[i], box.x0),
                  h = std::min(y1[i], box.y1) - std::max(y0[i], box.y0);
      const float both = std::max(w, 0.0f) * std::max(h, 0.0f);
      const int alike = index[i] == box.index, much = both > iou * (area[i] + size - both);
      any |= alike & much;
    }
    return any != 0;
  }
};

}  // namespace

std::vector<FoundBox> find_boxes(const std::vector<BoxLevel>& levels, int image,
                                 const BoxRules& rules) {
  std::vector<Candidate> candidates = list_candidates(levels, image, rules);
  const std::size_t compared =
      std::min(candidates.size(), static_cast<std::size_t>(rules.candidates));
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(compared),
                    candidates.end(), comes_before);
  candidates.resize(compared);
  const std::size_t most = static_cast<std::size_t>(rules.most);
  std::vector<FoundBox> found;
  Kept kept;
  for (const Candidate& candidate : candidates) {
    if (found.size() == most) break;
    const FoundBox box = decode(candidate, static_cast<int>(rules.thresholds.size()), rules);
    const float size = (box.x1 - box.x0) * (box.y1 - box.y0);
    if (kept.overlaps(box, size, rules.iou)) continue;
    kept.add(box, size);
    found.push_back(box);
  }
  return found;
}

}  // namespace sqz
