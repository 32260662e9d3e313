// Makes boxes of the output of SqueezeDet, in which each pixel has several anchors.
//
// Source: Wu et al., arXiv:1612.01051, section 3.2 (ConvDet).
#pragma once

#include <vector>

#include "core/boxes.h"

namespace sqz {

// Width and height in pixels of the input.
struct Anchor {
  float width, height;
};

// The boxes of one image, best first; of equal scores, that of the earlier row, column and anchor
// comes first.
//
// A pixel of the map holds the logits of the classes of each anchor, then the logit of each anchor's
// confidence, then four deltas of each anchor: x, y, width, height. A box has the best class of its
// anchor. Its score is the softmax of the class times the sigmoid of the confidence. Its center is
// that of the anchor, moved by the deltas in units of the anchor's sides; its sides are those of the
// anchor times exp(delta), above `rules.limit` times the tangent of exp there. The centers divide the
// input evenly: that of column c has x = (c + 1) * width / (columns + 1).
//
// Throws std::domain_error if a number that matters is not finite.
std::vector<FoundBox> find_anchor_boxes(const View& map, int image,
                                        const std::vector<Anchor>& anchors, const BoxRules& rules);

}  // namespace sqz
