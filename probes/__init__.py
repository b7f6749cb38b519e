"""Measurements of a network at given logits, beyond the accuracies of training.

hessian: trace of the loss's Hessian. lemma: the paper's Lemma 1 as an experiment. surface: the loss on a plane or line.
perturbation: accuracy under noise on the logits, and layer by layer discretised. class_gates: gates by layer and class.
use: which neurons do anything; bypass: what each layer carries (circuits/use.py). cost: of an evaluation
(circuits/cost.py).
curvature and taylor hold the derivatives behind them, common what all share. gradient, of a net before training: the
gradient that it starts with beside Adam's epsilon, from its settings.

Each `run*` function takes a network, splits (name -> (images (n, pixels) uint8, labels (n,) int64)) and thresholds, and
returns flat rows. All work on copies and draw from streams of their own: a probe never changes a training.
"""

PROBE_SEMANTICS = 3
"""Raised when a probe measures something else, or more of it; every probe is then taken anew."""
