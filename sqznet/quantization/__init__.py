"""Networks of 8-bit integers: their arithmetic, their description in a file, a NumPy reference.

The arithmetic is the same on every instruction set, for any number of threads and any batch, bit
for bit. "float32(...)" is one rounding to nearest, ties to even; so is ``rint``. No two operations
are fused. Maps are uint8, channel-last (NHWC); weights are int8, OIHW; sums are exact integers, and
those of one pixel fit in 32 bits.

- The input holds the photo's own gray levels, resized, in the network's order of channels.
- A convolution followed by a ReLU: ``s = sum(x * w) + bias``, with ``bias`` int32 a channel, and
  ``y = clip(rint(float32(float32(s) * scale[o])), 0, 255)``, with ``scale`` float32 a channel. The
  clipping is the ReLU. Its padding holds ``border[i]``, a byte a channel: in the input
  ``rint(mean)``, the gray level of a float32 zero, and elsewhere the map's zero point.
- Max pooling compares bytes.
- The two halves of a fire's output have scales of their own. The next convolution's weights have
  them multiplied in.
- The sum of a fire and its bypass is
  ``y = clip(rint(float32(float32(u * fire[c]) + float32((z - around_zero) * around[c]))) + zero,
  0, 255)``, where u is the fire's own byte, and z the input's byte (a simple bypass) or the sum s
  of the bypass's convolution (a complex bypass, which has no ReLU).
- The classifier: ``t = sum of max(s, 0) over all pixels``, or of s if it has no ReLU; the pixels of
  its padding count. ``logit = float32(float64(t) * float64(scale[o]) / pixels)``, two float64
  operations and one conversion.
- A detector's output: ``y = float32(s) * scale[o]``, one float32 product. Its levels share their
  last layers, which therefore read maps of the same scale in all of them.

Files that others quantized may round further, see `Integers`:

- The input then holds ``clip(rint(v / step) + zero, lowest, highest)`` of the normalized values v.
- A byte that a convolution gives may become ``table[byte]``, which rounds it to other grids.
- A classifier whose convolution gives bytes averages these, instead of sums, with the scale of a
  byte. Logits are rounded to grids: ``scale * clip(rint(logit / scale), lowest, highest)``, each
  operation in float32.

The zero points ``zero`` and ``around_zero`` are 0 except behind a complex bypass, whose sums may be
negative. A map's zero point is folded into the biases of the convolutions that read it, like the
mean of the photos into the first.

The integers of float32 weights are ``clip(rint(w * input_scale[i] / weight_scale[o]), -127, 127)``:
one float32 product, then one float32 quotient.

Source of the scheme: Jacob et al., arXiv:1712.05877, sections 2.1 to 2.4.
"""
