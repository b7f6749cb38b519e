"""The sixteen two-input Boolean gates: the table that kernels, metrics, figures and tests import.

Gates have difflogic's order: the outputs of gate k for (a, b) = 00, 01, 10, 11, read as a 4-bit number with the high
bit first, are k. On reals a gate is its multilinear extension h(a, b) = c0 + c1 a + c2 b + c3 ab. So a gate, or any
mixture of gates, is four coefficients.
"""

import numpy as np

GATES = 16

TRUTH_TABLE = (np.arange(GATES)[:, None] >> np.arange(3, -1, -1)) & 1
"""(16, 4) int: outputs for (a, b) = 00, 01, 10, 11."""

CELLS_TO_COEFFICIENTS = np.array([[1, 0, 0, 0], [-1, 0, 1, 0], [-1, 1, 0, 0], [1, -1, -1, 1]])
"""(4, 4) int: one row per coefficient, over the outputs at (a, b) = 00, 01, 10, 11."""

COEFFICIENTS = TRUTH_TABLE @ CELLS_TO_COEFFICIENTS.T
"""(16, 4) int: c0, c1, c2, c3 of the multilinear extension."""

NAMES = (
    "false", "and", "a_and_not_b", "a", "not_a_and_b", "b", "xor", "or",
    "nor", "xnor", "not_b", "a_or_not_b", "not_a", "not_a_or_b", "nand", "true",
)  # fmt: skip

PASS_A = NAMES.index("a")
"""The gate that residual initialisation favours (Petersen et al. 2024)."""
