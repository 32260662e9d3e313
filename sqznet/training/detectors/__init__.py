"""Training of detectors: photos with known boxes, their augmentation, the loss, and the task that
the loop of `sqznet.training` runs."""
