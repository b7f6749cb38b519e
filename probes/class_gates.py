"""Chosen gates by layer and class (paper, App. C; the exact weighting is our interpretation)."""

import numpy as np

from lgn.data.encoding import encode
from lgn.gates import GATES, NAMES
from lgn.network import LogicNetwork
from probes.common import Row, Splits

BLOCK_BYTES = 2**25
"""Bytes of a layer's bits, one byte each, per block."""


def run(network: LogicNetwork, splits: Splits, thresholds: np.ndarray, *, split: str) -> list[Row]:
    """Rows layer (from 1), class, gate (its name), neurons, weight: 16 rows per layer and class.

    Only classes with images in the split. neurons: how many of the layer's neurons have this argmax gate. weight: sum
    over these neurons of the share of the class's images for which the neuron is 1 in the discrete network.
    """
    pixels, labels = splits[split]
    gates = np.stack([network.gates(layer).long().cpu().numpy() for layer in range(network.depth)])
    shares = firing_shares(network, gates, thresholds, pixels, labels)
    rows = []
    for layer in range(network.depth):
        neurons = np.bincount(gates[layer], minlength=GATES)
        for label in np.unique(labels):
            weights = np.bincount(gates[layer], weights=shares[layer, label], minlength=GATES)
            rows += [
                {
                    "layer": layer + 1,
                    "class": int(label),
                    "gate": NAMES[gate],
                    "neurons": int(neurons[gate]),
                    "weight": float(weights[gate]),
                }
                for gate in range(GATES)
            ]
    return rows


def firing_shares(
    network: LogicNetwork, gates: np.ndarray, thresholds: np.ndarray, pixels: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """(depth, classes, width) float64: share of each class's images for which a neuron of gates (depth, width) is 1.

    NaN for a class without images.
    """
    wiring = [network.wiring(layer).cpu().numpy() for layer in range(network.depth)]
    # Gate k gives bit 3 - 2a - b of k for inputs a and b: k is the truth table, high bit first.
    codes = gates.astype(np.uint8)[:, :, None]
    counts = np.zeros((network.depth, network.classes, network.width))
    size = max(1, BLOCK_BYTES // max(network.inputs, network.width))
    for start in range(0, len(labels), size):
        x = encode(pixels[start : start + size], thresholds).T.astype(np.uint8)
        members = np.eye(network.classes, dtype=np.float32)[labels[start : start + size]]
        for layer, (first, second) in enumerate(wiring):
            x = (codes[layer] >> (3 - 2 * x[first] - x[second])) & 1
            counts[layer] += (x.astype(np.float32) @ members).T
    with np.errstate(invalid="ignore"):
        return counts / np.bincount(labels, minlength=network.classes)[:, None]
