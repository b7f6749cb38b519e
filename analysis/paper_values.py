"""Numbers of the paper, quoted and never measured here.

Yousefi, Plesner, Aczel, Wattenhofer: Mind the Gap: Removing the Discretization Gap in Differentiable Logic Gate
Networks, NeurIPS 2025, arXiv:2506.07500v2. CIFAR-10, depth 12, width 256,000, GLGN at temperature 1, single seeds, no
error bars.
"""

BASELINE, PROPOSED = "dlgn", "glgn"
"""The two methods that the paper compares, and the claims with it."""

CITATION = "Yousefi et al. 2025, arXiv:2506.07500"
DATASET, DEPTH, WIDTH, THRESHOLDS = "cifar10", 12, 256_000, 31
SCALE = "CIFAR-10, depth 12, width 256,000, one seed"
SHORT_SCALE = "CIFAR-10, 12 x 256k, 1 seed"

SPEED_UP_SECONDS = 4.5
SPEED_UP_ITERATIONS = 4.75
"""Until GLGN's discrete accuracy matches DLGN's maximum discrete accuracy (footnote 1).

The DLGN is censored: after its 48 GPU-hours, 1.41 million iterations, it still improves. GLGN then matched it at about
1.41 / 4.75 = 0.297 million (our arithmetic).
"""

FEWER_ITERATIONS_AN_HOUR = {6: 0.0086, 8: 0.0631, 10: 0.0496, 12: 0.0623}
"""Depth -> share by which GLGN does fewer than DLGN (Table 4)."""

TIME_PER_ITERATION = 1 / (1 - FEWER_ITERATIONS_AN_HOUR[DEPTH])
"""GLGN's time an iteration over DLGN's."""

GAP_REDUCTION_PERCENT = 98.0
GAP = {BASELINE: 0.03, PROPOSED: 0.0006}

UNUSED_REDUCTION_PERCENT = 100.0
UNUSED_SHARE = {BASELINE: 0.4981, PROPOSED: 0.0}

FINAL_ACCURACY = {BASELINE: 0.56, PROPOSED: 0.575}
"""Discrete test accuracy, read off the paper's figure: about."""

TEMPERATURE = 1.0
"""GLGN's in all the numbers above (Figs. 3, 4, 6 and 8)."""

FASTEST_TEMPERATURE = 0.25
"""Of Table 1, in the middle of the zone that the paper finds fastest (0.15 to 0.5)."""

CONVERGED_SHARE = 0.99
"""Table 1 counts iterations to within 1% of the best accuracy: read as this share of it, not as a point below it."""

TEMPERATURE_SWEEP = (
    # temperature, best accuracy, final accuracy, iterations to converge (Table 1)
    (0.01, 0.547, 0.546, 972_000),
    (0.05, 0.566, 0.564, 602_000),
    (0.10, 0.574, 0.570, 632_000),
    (0.15, 0.574, 0.571, 518_000),
    (0.20, 0.566, 0.563, 472_000),
    (0.25, 0.573, 0.568, 440_000),
    (0.50, 0.573, 0.572, 530_000),
    (1.00, 0.578, 0.575, 918_000),
    (2.00, 0.490, 0.480, 1_342_000),
)

OFFICIAL_EVALUATION_INTERVAL = 2000
"""Iterations between evaluations in the official code (main.py), inside its clock."""

OFFICIAL_PASSES = (2, 3)
"""How often it then classifies all training images (train mode, eval mode) and all test images (bit-packed too)."""

OFFICIAL_BATCH = 128
