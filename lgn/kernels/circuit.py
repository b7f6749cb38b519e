"""From a trained network to the gates that matter: constants propagated, neurons that no output depends on removed."""

from typing import NamedTuple

import numpy as np

from lgn.arrays import stacked_wiring
from lgn.gates import TRUTH_TABLE
from lgn.network import LogicNetwork


class Layer(NamedTuple):
    """Gates (n,) int64 and what they read, first and second (n,) int64: places in the layer before, or in used."""

    gates: np.ndarray
    first: np.ndarray
    second: np.ndarray


class Circuit(NamedTuple):
    """The discrete network without constant neurons and without those that no output depends on.

    used: thermometer bits that the first layer's wiring counts. classes (n,) int64: class of each neuron of the last
    layer. offsets (classes,) int64: neurons of a class that are 1 whatever the input.
    """

    layers: list[Layer]
    used: np.ndarray
    classes: np.ndarray
    offsets: np.ndarray


def live_circuit(network: LogicNetwork) -> Circuit:
    """The circuit of a network's argmax gates; its class counts are the discrete network's for every input."""
    wirings = list(stacked_wiring(network).astype(np.int64))
    tables, constants = [], np.full(network.inputs, -1)
    for layer, (first, second) in enumerate(wirings):
        gates = network.gates(layer).long().cpu().numpy()
        tables.append(_known_inputs(TRUTH_TABLE[gates].reshape(-1, 2, 2), first, second, constants))
        flat = tables[-1].reshape(-1, 4)
        constants = np.where((flat == flat[:, :1]).all(1), flat[:, 0], -1)
    classes = np.repeat(np.arange(network.classes), network.width // network.classes)
    offsets = np.bincount(classes[constants == 1], minlength=network.classes)
    live = np.flatnonzero(constants == -1)
    layers, classes = [], classes[live]
    for table, (first, second) in zip(reversed(tables), reversed(wirings), strict=True):
        gates, first, second = _read_once(table[live], first[live], second[live])
        live, places = np.unique([first, second], return_inverse=True)
        layers.append(Layer(gates, *places.reshape(2, -1)))
    return Circuit(layers[::-1], live, classes, offsets)


def _known_inputs(
    tables: np.ndarray, first: np.ndarray, second: np.ndarray, constants: np.ndarray
) -> np.ndarray:
    """Truth tables (n, 2, 2) over (a, b), made blind to an input that is constant or is the other one again."""
    tables = tables.copy()
    for axis, inputs in ((1, first), (2, second)):
        known = np.flatnonzero(constants[inputs] >= 0)
        values = constants[inputs[known]]
        tables[known] = np.expand_dims(tables[known].swapaxes(1, axis)[np.arange(len(known)), values], axis)
    twice = np.flatnonzero(first == second)
    tables[twice] = np.diagonal(tables[twice], axis1=1, axis2=2)[:, :, None]
    return tables


def _read_once(
    tables: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gates of non-constant truth tables; those that depend on one input read it as both."""
    ignores_first = (tables[:, 0] == tables[:, 1]).all(1)
    ignores_second = (tables[:, :, 0] == tables[:, :, 1]).all(1)
    gates = tables.reshape(-1, 4) @ np.array([8, 4, 2, 1])
    return gates, np.where(ignores_first, second, first), np.where(ignores_second, first, second)
