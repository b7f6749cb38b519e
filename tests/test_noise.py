"""The counter-based generator and the four distributions, against scipy and a scalar re-implementation."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from lgn.noise import NOISES, uniforms
from lgn.randomness import GOLDEN32, MIX_1, MIX_2, layer_key

VARIANCE = math.pi**2 / 6
DISTRIBUTIONS = {
    "gumbel": stats.gumbel_r(),
    "gaussian": stats.norm(scale=math.sqrt(VARIANCE)),
    "logistic": stats.logistic(scale=math.sqrt(0.5)),
    "uniform": stats.uniform(loc=-math.pi / math.sqrt(2), scale=math.pi * math.sqrt(2)),
}


def scalar_uniform(key, index):
    """The generator once more, one number at a time in Python integers."""
    mask = 2**32 - 1
    x = (index * GOLDEN32 + key[0]) & mask
    x ^= x >> 16
    x = (x * MIX_1) & mask
    x ^= x >> 15
    x ^= key[1]
    x = (x * MIX_2) & mask
    x ^= x >> 15
    return (2 * (x >> 9) + 1) / 2**24


def test_uniforms_equal_a_scalar_implementation():
    key = layer_key(2**63 + 12345, 7, 3)
    u = uniforms(key, 50).flatten().tolist()
    assert u == [scalar_uniform(key, i) for i in range(800)]


def test_uniforms_of_several_layers_follow_each_other():
    keys = [layer_key(3, 5, layer) for layer in range(3)]
    assert torch.equal(uniforms(keys, 30), torch.cat([uniforms(key, 10) for key in keys]))


@pytest.mark.parametrize("name", NOISES)
def test_every_noise_has_the_stated_distribution_and_gumbels_variance(name):
    u = uniforms(layer_key(11, 0, 0), 2**16)
    sample = NOISES[name](u).double().flatten().numpy()
    assert np.isfinite(sample).all()
    assert DISTRIBUTIONS[name].var() == pytest.approx(VARIANCE)
    # 2^20 numbers: standard error of the variance is below 0.3% for all four.
    assert sample.var() == pytest.approx(VARIANCE, rel=0.012)
    assert stats.kstest(sample, DISTRIBUTIONS[name].cdf).pvalue > 1e-4


def test_noise_stays_finite_at_the_ends_of_the_uniforms():
    ends = torch.tensor([2.0**-24, 1 - 2.0**-24])
    assert all(torch.isfinite(noise(ends)).all() for noise in NOISES.values())


@pytest.mark.parametrize("other", [(11, 1, 0), (11, 0, 1), (12, 0, 0)])
def test_other_steps_layers_and_seeds_are_uncorrelated_at_every_shift(other):
    """A shifted copy of the same numbers would show as a correlation of 1 at some lag."""
    a = uniforms(layer_key(11, 0, 0), 4096).flatten().numpy() - 0.5
    b = uniforms(layer_key(*other), 4096).flatten().numpy() - 0.5
    spectrum = np.fft.rfft(a) * np.conj(np.fft.rfft(b))
    correlations = np.fft.irfft(spectrum) / (a.size / 12)
    assert np.abs(correlations).max() < 6 / math.sqrt(a.size)


def test_neighbouring_gates_and_neurons_are_independent():
    u = uniforms(layer_key(3, 5, 2), 2**15).numpy()
    for a, b in ((u[:, 0], u[:, 1]), (u[:-1, 4], u[1:, 4]), (u[:, 0], u[:, 15])):
        counts, _, _ = np.histogram2d(a, b, bins=16)
        assert stats.chisquare(counts.flatten()).pvalue > 1e-4


def test_argmax_of_gumbel_noise_follows_the_softmax():
    """The Gumbel-max identity: P(argmax(z + g) = k) = softmax(z)_k."""
    logits = torch.linspace(-1.5, 1.5, 16)
    noise = NOISES["gumbel"](uniforms(layer_key(1, 2, 3), 100_000))
    counts = torch.bincount((logits + noise).argmax(-1), minlength=16).numpy()
    expected = torch.softmax(logits.double(), -1).numpy() * 100_000
    assert stats.chisquare(counts, expected).pvalue > 1e-4
