"""Measurements of a network's weights, beyond the accuracies of training.

hessian: trace of the loss's Hessian. lemma: the paper's Lemma 1 as an experiment. surface: the loss on a plane or line.
perturbation: accuracy with noise on the logits, and with some layers discretised. class_gates: gates by layer and
class. use: neurons with an effect; bypass: accuracy without a layer (circuits/use.py). cost: of an evaluation
(circuits/cost.py). gradient: compares a net's gradient before training with Adam's epsilon, from its settings.
curvature and taylor compute derivatives; common is shared code.

Each `run*` function takes a network, splits (name -> (images (n, pixels) uint8, labels (n,) int64)) and thresholds, and
returns flat rows. All work on copies and draw from their own streams: a probe never changes a training.
"""

PROBE_SEMANTICS = 3
"""Increased when a probe measures something else, or more. Every probe is then measured again."""
