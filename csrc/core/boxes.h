// Makes boxes of a detector's outputs: decoding, then non-maximum suppression (NMS).
#pragma once

#include <vector>

#include "sqz/views.h"

namespace sqz {

// One level of a detector: a map whose pixels hold the logits of the classes, then the logarithms of
// the distances, in strides, from a point of the input to the left, top, right and lower side of a
// box. Pixel (row, column) belongs to the point (first + stride * column, first + stride * row).
struct BoxLevel {
  View map;
  float stride, first;
};

struct BoxRules {
  std::vector<double> thresholds;  // the lowest score of each class
  float height, width;             // of the input in pixels
  float limit;                     // of the logarithms' magnitudes
  float iou;       // of two boxes of one class with more overlap, the one with the lower score goes
  int candidates;  // how many boxes, those with the highest scores, are compared
  int most;        // how many boxes are left at most
};

// The sides as fractions of the input, clipped to it.
struct FoundBox {
  int index;  // of the class
  double score;
  float x0, y0, x1, y1;
};

// The boxes of one image, best first. Of equal scores, that of the earlier level, row, column and
// class comes first. Throws std::domain_error if a logit or a side that matters is NaN, or a logit
// that matters is infinite.
std::vector<FoundBox> find_boxes(const std::vector<BoxLevel>& levels, int image,
                                 const BoxRules& rules);

}  // namespace sqz
