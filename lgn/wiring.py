"""Which two outputs of the layer before each neuron reads: fixed at initialisation, never trained.

Both schemes follow difflogic's `random` and `unique` connections.
"""

import numpy as np

from lgn.errors import LgnError


def random_wiring(inputs: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """(2, width) int32: every input read about equally often; a neuron may read one input twice."""
    slots = generator.permutation(2 * width) % inputs
    return generator.permutation(inputs)[slots].reshape(2, width).astype(np.int32)


def unique_wiring(inputs: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """(2, width) int32: no pair twice, near pairs first.

    Pairs at distance 1, (0, 1), (2, 3), ..., then (1, 2), (3, 4), ..., then all at distance 2, 3, ... until there
    are `width`; the neurons are then shuffled. Raises LgnError where there are too few pairs, or too few neurons to
    read every input.
    """
    if 2 * width < inputs or width > inputs * (inputs - 1) // 2:
        raise LgnError(
            f"width: {width} is impossible with wiring 'unique' on {inputs} inputs; "
            f"allowed: {-(-inputs // 2)} to {inputs * (inputs - 1) // 2}"
        )
    first = [np.arange(0, inputs - 1, 2), np.arange(1, inputs - 1, 2)]
    distances = [1, 1]
    while sum(map(len, first)) < width:
        distances.append(distances[-1] + 1)
        first.append(np.arange(inputs - distances[-1]))
    a = np.concatenate(first)
    b = np.concatenate([f + d for f, d in zip(first, distances, strict=True)])
    return np.stack([a, b])[:, :width][:, generator.permutation(width)].astype(np.int32)


WIRINGS = {"random": random_wiring, "unique": unique_wiring}
