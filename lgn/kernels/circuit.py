"""Reduces a trained network to its live gates: propagates constants and removes neurons that no output depends on."""

from typing import NamedTuple

import numpy as np

from lgn.arrays import stacked_wiring
from lgn.gates import TRUTH_TABLE
from lgn.network import LogicNetwork


class Layer(NamedTuple):
    """Gates (n,) int64 and their inputs, first and second (n,) int64: indices into the layer before, or into used."""

    gates: np.ndarray
    first: np.ndarray
    second: np.ndarray


class Circuit(NamedTuple):
    """The discrete network without constant neurons and without neurons that no output depends on.

    used: thermometer bits that the first layer reads. classes (n,) int64: class of each neuron of the last layer.
    offsets (classes,) int64: how many neurons of a class are always 1.
    """

    layers: list[Layer]
    used: np.ndarray
    classes: np.ndarray
    offsets: np.ndarray


def live_circuit(network: LogicNetwork) -> Circuit:
    """The circuit of a network's argmax gates. Its class counts equal the discrete network's for every input."""
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
    """Truth tables (n, 2, 2) over (a, b), made independent of an input that is constant or equals the other input."""
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
    """Gates of non-constant truth tables. A gate that depends on one input reads that input twice."""
    ignores_first = (tables[:, 0] == tables[:, 1]).all(1)
    ignores_second = (tables[:, :, 0] == tables[:, :, 1]).all(1)
    gates = tables.reshape(-1, 4) @ np.array([8, 4, 2, 1])
    return gates, np.where(ignores_first, second, first), np.where(ignores_second, first, second)
