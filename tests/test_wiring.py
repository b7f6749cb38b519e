"""Wiring against the published description of difflogic's connections."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgn.errors import LgnError
from lgn.wiring import random_wiring, unique_wiring


def pairs_by_description(inputs, width):
    """The order of pairs as the paper's code makes it, spelled out."""
    pairs = [(i, i + 1) for i in range(0, inputs - 1, 2)] + [(i, i + 1) for i in range(1, inputs - 1, 2)]
    for distance in range(2, inputs):
        pairs += [(i, i + distance) for i in range(inputs - distance)]
    return pairs[:width]


@given(inputs=st.integers(2, 40), data=st.data())
@settings(max_examples=60, deadline=None)
def test_unique_wiring_takes_the_nearest_pairs_once_each(inputs, data):
    width = data.draw(st.integers(-(-inputs // 2), inputs * (inputs - 1) // 2))
    wiring = unique_wiring(inputs, width, np.random.default_rng(0))
    assert wiring.shape == (2, width) and wiring.dtype == np.int32
    assert sorted(map(tuple, wiring.T.tolist())) == sorted(pairs_by_description(inputs, width))


def test_unique_wiring_shuffles_the_neurons():
    wiring = unique_wiring(100, 200, np.random.default_rng(0))
    assert list(map(tuple, wiring.T.tolist())) != pairs_by_description(100, 200)


@pytest.mark.parametrize("width", [4, 46])
def test_unique_wiring_refuses_widths_without_enough_or_with_too_many_pairs(width):
    with pytest.raises(LgnError, match=f"width: {width} .* allowed: 5 to 45"):
        unique_wiring(10, width, np.random.default_rng(0))


@given(inputs=st.integers(1, 60), width=st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_random_wiring_reads_every_input_about_equally(inputs, width):
    wiring = random_wiring(inputs, width, np.random.default_rng(1))
    counts = np.bincount(wiring.flatten(), minlength=inputs)
    assert wiring.shape == (2, width)
    assert counts.max() - counts.min() <= 1


def test_wiring_is_decided_by_the_generator():
    for scheme, (a, b) in itertools.product((random_wiring, unique_wiring), ((0, 0), (0, 1))):
        same = (scheme(50, 60, np.random.default_rng(a)) == scheme(50, 60, np.random.default_rng(b))).all()
        assert same == (a == b)
