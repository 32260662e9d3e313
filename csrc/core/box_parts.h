// What all detectors need to make boxes of their outputs: scores, and non-maximum suppression (NMS)
// of boxes of several classes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "core/boxes.h"

namespace sqz {

// A logit below which the score is certainly below the threshold. Almost all logits are, so scores
// are computed only for the others, and compared exactly.
inline float lowest_logit(double threshold) {
  if (threshold <= 0) return -std::numeric_limits<float>::infinity();
  if (threshold >= 1) return 30;  // from about 37 on, the score is rounded to 1
  const double logit = std::log(threshold / (1 - threshold));
  return static_cast<float>(logit - 1e-5 * (1 + std::abs(logit)));
}

inline double score_of(float logit) { return 1 / (1 + std::exp(-static_cast<double>(logit))); }

inline float clipped(float x) { return std::min(std::max(x, 0.0f), 1.0f); }

// The boxes that are kept, by coordinate, so that a box is compared with several at once.
class Kept {
 public:
  explicit Kept(float iou) : iou_(iou) {}

  // Adds the box unless its intersection / union > iou with a box of the same class, or nothing of it
  // is within the input.
  bool add(const FoundBox& box) {
    const float size = (box.x1 - box.x0) * (box.y1 - box.y0);
    if (size <= 0 || overlaps(box, size)) return false;
    x0_.push_back(box.x0), y0_.push_back(box.y0), x1_.push_back(box.x1), y1_.push_back(box.y1);
    area_.push_back(size), index_.push_back(box.index);
    return true;
  }

 private:
  bool overlaps(const FoundBox& box, float size) const {
    int any = 0;
    for (std::size_t i = 0; i < index_.size(); ++i) {
      const float w = std::min(x1_[i], box.x1) - std::max(x0_[i], box.x0),
                  h = std::min(y1_[i], box.y1) - std::max(y0_[i], box.y0);
      const float both = std::max(w, 0.0f) * std::max(h, 0.0f);
      const int alike = index_[i] == box.index, much = both > iou_ * (area_[i] + size - both);
      any |= alike & much;
    }
    return any != 0;
  }

  float iou_;
  std::vector<float> x0_, y0_, x1_, y1_, area_;
  std::vector<int> index_;
};

// The boxes of the best candidates, as many as the rules compare, without those that overlap a better
// one. comes_before(a, b) sorts the candidates; decode(candidate) gives a box.
template <typename Candidate, typename Order, typename Decode>
std::vector<FoundBox> best_boxes(std::vector<Candidate> candidates, const BoxRules& rules,
                                 const Order& comes_before, const Decode& decode) {
  const std::size_t compared =
      std::min(candidates.size(), static_cast<std::size_t>(rules.candidates));
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(compared),
                    candidates.end(), comes_before);
  candidates.resize(compared);
  std::vector<FoundBox> found;
  Kept kept(rules.iou);
  for (const Candidate& candidate : candidates) {
    if (found.size() == static_cast<std::size_t>(rules.most)) break;
    const FoundBox box = decode(candidate);
    if (kept.add(box)) found.push_back(box);
  }
  return found;
}

}  // namespace sqz
