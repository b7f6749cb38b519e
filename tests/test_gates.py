"""The gate table against Python's own Boolean operators."""

import itertools

import numpy as np
import pytest

from lgn.gates import COEFFICIENTS, GATES, NAMES, PASS_A, TRUTH_TABLE

BY_HAND = {
    "false": lambda a, b: False,
    "and": lambda a, b: a and b,
    "a_and_not_b": lambda a, b: a and not b,
    "a": lambda a, b: a,
    "not_a_and_b": lambda a, b: not a and b,
    "b": lambda a, b: b,
    "xor": lambda a, b: a != b,
    "or": lambda a, b: a or b,
    "nor": lambda a, b: not (a or b),
    "xnor": lambda a, b: a == b,
    "not_b": lambda a, b: not b,
    "a_or_not_b": lambda a, b: a or not b,
    "not_a": lambda a, b: not a,
    "not_a_or_b": lambda a, b: not a or b,
    "nand": lambda a, b: not (a and b),
    "true": lambda a, b: True,
}


@pytest.mark.parametrize("k", range(GATES))
def test_truth_table_is_the_named_function(k):
    for column, (a, b) in enumerate(itertools.product((False, True), repeat=2)):
        assert TRUTH_TABLE[k, column] == BY_HAND[NAMES[k]](a, b)


@pytest.mark.parametrize("k", range(GATES))
def test_coefficients_interpolate_the_truth_table(k):
    c0, c1, c2, c3 = COEFFICIENTS[k]
    for column, (a, b) in enumerate(itertools.product((0, 1), repeat=2)):
        assert c0 + c1 * a + c2 * b + c3 * a * b == TRUTH_TABLE[k, column]


def test_gate_index_is_its_truth_table_read_in_binary():
    assert (np.arange(GATES) == TRUTH_TABLE @ [8, 4, 2, 1]).all()


def test_order_is_the_papers():
    """difflogic's order: 0 false, 1 and, 3 A, 5 B, 6 xor, 7 or, 15 true."""
    expected = {0: "false", 1: "and", 3: "a", 5: "b", 6: "xor", 7: "or", 15: "true"}
    assert {k: NAMES[k] for k in expected} == expected
    assert PASS_A == 3
    assert len(set(NAMES)) == GATES
