"""Thermometer bits against the paper's float definition, hand-made images and numpy's own quantiles."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgn.data.catalog import DATASETS
from lgn.data.encoding import encode, quantile_levels, thresholds, uniform_levels
from lgn.errors import LgnError

SMALL = replace(DATASETS["cifar10"], channels=2, rows=1, columns=2)


def test_31_uniform_thresholds_are_the_papers_definition_for_every_byte():
    # The paper's code: pixel / 255 as float32 > (i + 1) / 32, i = 0..30.
    pixels = np.arange(256, dtype=np.uint8)
    scaled = pixels.astype(np.float32) / np.float32(255)
    expected = np.stack([scaled > np.float32((i + 1) / 32) for i in range(31)], axis=1)
    bits = pixels[:, None] > uniform_levels(255, 31)
    np.testing.assert_array_equal(bits, expected)


@given(max_value=st.integers(1, 255), data=st.data())
def test_uniform_thresholds_are_exact_for_any_count(max_value, data):
    # Fractions, because floats get 85 / 255 > 1 / 3 wrong.
    count = data.draw(st.integers(1, max_value))
    value = data.draw(st.integers(0, max_value))
    expected = [Fraction(value, max_value) > Fraction(i + 1, count + 1) for i in range(count)]
    assert (value > uniform_levels(max_value, count)).tolist() == expected


def test_digits_with_8_thresholds_by_hand():
    # 16 * (1..8) / 9 = 1.8, 3.6, 5.3, 7.1, 8.9, 10.7, 12.4, 14.2
    images = np.zeros((1, 64), dtype=np.uint8)
    levels = thresholds(DATASETS["digits"], 8, "uniform", images)
    assert levels.shape == (8, 64) and levels.dtype == np.uint8
    assert levels[:, 5].tolist() == [1, 3, 5, 7, 8, 10, 12, 14]
    assert (levels == levels[:, :1]).all()


def test_bits_are_flattened_with_the_threshold_slowest_then_channel_row_column():
    # Two channels of 1 x 2: (10, 200), (100, 0); thresholds 63, 127, 191.
    image = np.array([[10, 200, 100, 0]], dtype=np.uint8)
    levels = thresholds(SMALL, 3, "uniform", image)
    assert levels[:, 0].tolist() == [63, 127, 191]
    expected = [0, 1, 1, 0] + [0, 1, 0, 0] + [0, 1, 0, 0]
    assert encode(image, levels).tolist() == [[bool(bit) for bit in expected]]


def test_quantile_thresholds_by_hand():
    # Channel 0 has 1, 2, 3, 4 (and zeros, which do not count), channel 1 has 10, 10, 10, 50.
    images = np.array([[0, 1, 10, 10], [2, 3, 10, 0], [4, 0, 0, 50]], dtype=np.uint8)
    levels = thresholds(SMALL, 3, "quantile", images)
    assert levels.tolist() == [[1, 1, 10, 10], [2, 2, 10, 10], [3, 3, 10, 10]]
    assert encode(images[2:], levels).tolist() == [[True, False, False, True] * 3]


@given(values=st.lists(st.integers(0, 255), min_size=1, max_size=60).filter(any), count=st.integers(1, 40))
def test_quantile_thresholds_are_numpys_inverted_cdf_of_the_positive_values(values, count):
    positive = np.array([value for value in values if value])
    # numpy forms (i + 1) / (count + 1) in floats, so ask a hair below, where exact products could round up.
    shares = np.arange(1, count + 1) / (count + 1) - 1e-12
    expected = np.minimum(np.quantile(positive, shares, method="inverted_cdf"), 254)
    levels = quantile_levels(np.array(values, dtype=np.uint8)[:, None], 255, count)
    np.testing.assert_array_equal(levels, expected)


def test_no_quantile_bit_is_always_zero_on_saturated_images():
    images = np.full((4, 4), 255, dtype=np.uint8)
    assert encode(images, thresholds(SMALL, 5, "quantile", images)).all()


@given(data=st.data(), count=st.integers(1, 31), placement=st.sampled_from(["uniform", "quantile"]))
def test_bits_fall_with_the_threshold_and_rise_with_the_value(data, count, placement):
    row = st.lists(st.integers(0, 255), min_size=4, max_size=4)
    images = np.array(data.draw(st.lists(row, min_size=1, max_size=6)), dtype=np.uint8)
    positive = np.maximum(images, 1)
    bits = encode(images, thresholds(SMALL, count, placement, positive)).reshape(len(images), count, 4)
    assert (bits[:, :-1] >= bits[:, 1:]).all()
    brighter = np.minimum(images.astype(int) + 9, 255).astype(np.uint8)
    assert (encode(brighter, thresholds(SMALL, count, placement, positive)).reshape(bits.shape) >= bits).all()


def test_an_unknown_placement_is_refused():
    with pytest.raises(LgnError, match="^threshold_placement: 'log' is unknown; allowed: uniform, quantile$"):
        thresholds(SMALL, 3, "log", np.zeros((1, 4), dtype=np.uint8))


def test_quantiles_of_a_black_channel_are_refused():
    with pytest.raises(LgnError, match="a channel of the training images has none"):
        thresholds(SMALL, 3, "quantile", np.array([[5, 5, 0, 0]], dtype=np.uint8))
