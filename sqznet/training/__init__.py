"""Training with torch: the whole network, or a detector, on the user's own pictures.

`twin` is a network in torch, `loop` trains whatever a task describes, and `training` is the public
function. Photos go through `store` and `augmentation`; `schedule`, `averaging` and `checkpoint` are
parts of the loop. Modules that import torch are imported after `library` has found it.
"""
