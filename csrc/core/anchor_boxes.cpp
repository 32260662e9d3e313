#include "core/anchor_boxes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "core/box_parts.h"

namespace sqz {
namespace {

constexpr int kDeltas = 4;

struct Candidate {
  double score;
  std::int64_t order;  // counts the anchors
  const float* deltas;
  int row, column, anchor, index;
};

bool comes_before(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.order < b.order;
}

void require_finite(const float* values, int count) {
  if (!std::all_of(values, values + count, [](float x) { return std::isfinite(x); }))
    throw std::domain_error("an output is not finite");
}

// The softmax of the largest logit.
double largest_share(const float* logits, int classes, int best) {
  double sum = 0;
  for (int c = 0; c < classes; ++c)
    sum += std::exp(static_cast<double>(logits[c]) - static_cast<double>(logits[best]));
  return 1 / sum;
}

std::vector<Candidate> list_candidates(const View& map, int image, int anchors,
                                       const BoxRules& rules) {
  const int classes = static_cast<int>(rules.thresholds.size());
  // A score is at most the confidence.
  const float lowest =
      lowest_logit(*std::min_element(rules.thresholds.begin(), rules.thresholds.end()));
  std::vector<Candidate> found;
  std::int64_t order = 0;
  for (int row = 0; row < map.h; ++row)
    for (int column = 0; column < map.w; ++column) {
      const float* pixel = map.data + image * map.image + row * map.row + column * map.pixel;
      const float* confidences = pixel + anchors * classes;
      for (int a = 0; a < anchors; ++a, ++order) {
        if (confidences[a] < lowest) continue;  // not for NaN
        const float* logits = pixel + a * classes;
        require_finite(confidences + a, 1);
        require_finite(logits, classes);
        const int best = static_cast<int>(std::max_element(logits, logits + classes) - logits);
        const double score = score_of(confidences[a]) * largest_share(logits, classes, best);
        if (score < rules.thresholds[best]) continue;
        const float* deltas = confidences + anchors + a * kDeltas;
        require_finite(deltas, kDeltas);
        found.push_back({score, order, deltas, row, column, a, best});
      }
    }
  return found;
}

// exp(x), above the limit its tangent there.
float grown(float x, float limit) {
  return x <= limit ? std::exp(x) : std::exp(limit) * (x - limit + 1);
}

FoundBox decode(const Candidate& candidate, const View& map, const Anchor& anchor,
                const BoxRules& rules) {
  const float* deltas = candidate.deltas;
  const float column = static_cast<float>(candidate.column + 1),
              row = static_cast<float>(candidate.row + 1);
  const float x = column * rules.width / static_cast<float>(map.w + 1) + deltas[0] * anchor.width,
              y = row * rules.height / static_cast<float>(map.h + 1) + deltas[1] * anchor.height;
  const float half_width = anchor.width * grown(deltas[2], rules.limit) / 2,
              half_height = anchor.height * grown(deltas[3], rules.limit) / 2;
  return {candidate.index,
          candidate.score,
          clipped((x - half_width) / rules.width),
          clipped((y - half_height) / rules.height),
          clipped((x + half_width) / rules.width),
          clipped((y + half_height) / rules.height)};
}

}  // namespace

std::vector<FoundBox> find_anchor_boxes(const View& map, int image,
                                        const std::vector<Anchor>& anchors, const BoxRules& rules) {
  const int count = static_cast<int>(anchors.size());
  return best_boxes(list_candidates(map, image, count, rules), rules, comes_before,
                    [&](const Candidate& candidate) {
                      return decode(candidate, map, anchors[candidate.anchor], rules);
                    });
}

}  // namespace sqz
