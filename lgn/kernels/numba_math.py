"""What the packed and the soft kernels share: compile options, keys of the noise, sampling by kind, the loss."""

import hashlib
import math
import os
from pathlib import Path

import numpy as np
from numba import config, njit

from lgn.kernels.numba_simd import (
    sample_gaussian,
    sample_gumbel,
    sample_logistic,
    sample_none,
    sample_uniform,
)
from lgn.noise import GOLDEN64

f32, u32, u64 = np.float32, np.uint32, np.uint64


def _cache_folder() -> Path:
    """Numba looks at the file of a function alone, not at those it uses: a folder a version keeps stale code away."""
    folder = Path(__file__).resolve().parent
    sources = [folder.parent / "noise.py", folder.parent / "gates.py", *sorted(folder.glob("numba_*.py"))]
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    return folder / "__pycache__" / f"numba-{version}"


if "NUMBA_CACHE_DIR" not in os.environ:
    config.CACHE_DIR = str(_cache_folder())

OPTIONS = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}
INLINE = {**OPTIONS, "inline": "always"}

NOISE_CODES = {"none": 0, "gumbel": 1, "gaussian": 2, "logistic": 3, "uniform": 4}


@njit(**INLINE)
def split_mix(x):
    x = u64(x) + u64(GOLDEN64)
    x = (x ^ (x >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> u64(27))) * u64(0x94D049BB133111EB)
    return x ^ (x >> u64(31))


@njit(**INLINE)
def layer_key(seed, step, layer):
    """noise.layer_key as one 64-bit number, low half first."""
    return split_mix(split_mix(split_mix(u64(seed)) + u64(step)) + u64(layer))


@njit(**INLINE)
def sample(records, neuron, key, noise, inverse_temperature):
    """Samples one record with the noise of a code; returns its gate (see numba_simd's samplers)."""
    if noise == 1:
        return sample_gumbel(records, neuron, key, inverse_temperature)
    if noise == 2:
        return sample_gaussian(records, neuron, key, inverse_temperature)
    if noise == 3:
        return sample_logistic(records, neuron, key, inverse_temperature)
    if noise == 4:
        return sample_uniform(records, neuron, key, inverse_temperature)
    return sample_none(records, neuron, key, inverse_temperature)


@njit(**OPTIONS)
def loss_and_gradient(sums, labels, group_temperature, gradient):
    """Mean cross-entropy of class sums (classes, lanes) float32; writes d loss / d sum; lanes past the labels get 0."""
    classes = sums.shape[0]
    batch = labels.shape[0]
    shares = np.empty(classes)
    loss = 0.0
    gradient[:] = f32(0)
    for t in range(batch):
        highest = sums[0, t]
        for c in range(1, classes):
            highest = max(highest, sums[c, t])
        total = 0.0
        for c in range(classes):
            shares[c] = math.exp((sums[c, t] - highest) / group_temperature)
            total += shares[c]
        for c in range(classes):
            target = 1.0 if c == labels[t] else 0.0
            gradient[c, t] = f32((shares[c] / total - target) / (group_temperature * batch))
        loss += math.log(total) - (sums[labels[t], t] - highest) / group_temperature
    return loss / batch
