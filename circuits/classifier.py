"""A trained network as one netlist: thresholds on pixels, gates, class counts, and the first class of the largest."""

import numpy as np

from circuits.netlist import FALSE, TRUE, Netlist
from lgn.arrays import stacked_wiring
from lgn.network import LogicNetwork

PIXEL_BITS = 8


def discrete_gates(network: LogicNetwork) -> np.ndarray:
    """(depth, width) int64: each neuron's gate in the discrete network."""
    return np.stack([network.gates(layer).long().cpu().numpy() for layer in range(network.depth)])


def gate_layers(network: LogicNetwork, netlist: Netlist, bits: list[int]) -> list[int]:
    """Adds a network's gates to a netlist; returns the last layer's literals. bits: the inputs' literals.

    Constants, copies and complements become literals. Equal gates become one.
    """
    literals = bits
    wiring = stacked_wiring(network)
    for layer, gates in enumerate(discrete_gates(network)):
        first, second = wiring[layer]
        made = [
            netlist.gate(gate, literals[a], literals[b])
            for gate, a, b in zip(gates.tolist(), first.tolist(), second.tolist(), strict=True)
        ]
        for neuron, literal in enumerate(made):
            if literal >> 1 >= netlist.first_gate:
                netlist.names.setdefault(literal >> 1, f"layer{layer + 1}_neuron{neuron}")
        literals = made
    return literals


def gates_alone(network: LogicNetwork) -> Netlist:
    """The netlist from thermometer bits `x{place}` to the last layer's neurons `y{neuron}`."""
    netlist = Netlist(f"x{place}" for place in range(network.inputs))
    bits = [netlist.input(place) for place in range(network.inputs)]
    netlist.outputs = {f"y{neuron}": lit for neuron, lit in enumerate(gate_layers(network, netlist, bits))}
    return netlist.live()


def classifier(network: LogicNetwork, thresholds: np.ndarray) -> Netlist:
    """The netlist from pixels to the class. thresholds: (count, pixels) uint8 as in encoding.encode.

    Inputs `p{pixel}_{bit}` are the bits of a pixel's byte, outputs `class_{bit}` the bits of the class's number; bit 0
    is the lowest. Ties go to the first class, as in lgn.inference.
    """
    netlist, last = _from_pixels(network, thresholds)
    group = network.width // network.classes
    counts = [_count(netlist, last[c * group : (c + 1) * group]) for c in range(network.classes)]
    netlist.outputs = {f"class_{bit}": lit for bit, lit in enumerate(_first_of_most(netlist, counts))}
    return netlist.live()


def neurons(network: LogicNetwork, thresholds: np.ndarray) -> Netlist:
    """The netlist from pixels, as in classifier(), to the last layer's neurons `y{neuron}`, before counting."""
    netlist, last = _from_pixels(network, thresholds)
    netlist.outputs = {f"y{neuron}": literal for neuron, literal in enumerate(last)}
    return netlist.live()


def _from_pixels(network: LogicNetwork, thresholds: np.ndarray) -> tuple[Netlist, list[int]]:
    count, pixels = thresholds.shape
    netlist = Netlist(f"p{pixel}_{bit}" for pixel in range(pixels) for bit in range(PIXEL_BITS))
    bits = []
    for place in range(count * pixels):
        pixel = place % pixels
        byte = [netlist.input(PIXEL_BITS * pixel + bit) for bit in range(PIXEL_BITS)]
        bits.append(_above(netlist, byte, int(thresholds[place // pixels, pixel])))
    return netlist, gate_layers(network, netlist, bits)


def pixel_words(images: np.ndarray) -> np.ndarray:
    """(8 pixels, words) uint64 from images (n, pixels) uint8: inputs of a classifier's netlist, one image per bit."""
    planes = np.unpackbits(images[:, :, None], axis=2, bitorder="little").reshape(len(images), -1).T
    return packed(planes)


def packed(rows: np.ndarray) -> np.ndarray:
    """(rows, words) uint64 from (rows, n) zeros and ones: column 64 w + t in bit t of word w."""
    count = -(-rows.shape[1] // 64) * 64
    padded = np.zeros((len(rows), count), np.uint8)
    padded[:, : rows.shape[1]] = rows
    return np.packbits(padded, axis=1, bitorder="little").view("<u8")


def unpacked_classes(outputs: dict[str, np.ndarray], images: int) -> np.ndarray:
    """(images,) int64 classes from the words of `class_{bit}`."""
    rows = np.stack([outputs[f"class_{bit}"] for bit in range(len(outputs))]).astype("<u8")
    bits = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")[:, :images].astype(np.int64)
    return (bits << np.arange(len(bits))[:, None]).sum(0)


def _above(netlist: Netlist, byte: list[int], level: int) -> int:
    """The literal of number > level, for a number's bits, lowest first, and a constant level."""
    above = FALSE
    for bit, literal in enumerate(byte):
        above = netlist.both(literal, above) if level >> bit & 1 else netlist.either(literal, above)
    return above


def _count(netlist: Netlist, literals: list[int]) -> list[int]:
    """Bits, lowest first, of the number of true literals. A full adder turns three bits of one weight into two."""
    weights, number = [list(literals)], []
    while weights:
        column, carries = weights.pop(0), []
        while len(column) > 1:
            a, b = column.pop(0), column.pop(0)
            c = column.pop(0) if column else FALSE
            half = netlist.differ(a, b)
            column.append(netlist.differ(half, c))
            carries.append(netlist.either(netlist.both(a, b), netlist.both(half, c)))
        number.append(column[0] if column else FALSE)
        if carries:
            weights.insert(0, carries + (weights.pop(0) if weights else []))
    return number


def _first_of_most(netlist: Netlist, numbers: list[list[int]]) -> list[int]:
    """Bits, lowest first, of the index of the first largest number."""
    places = max(1, (len(numbers) - 1).bit_length())
    best, place = numbers[0], [FALSE] * places
    for index, number in enumerate(numbers[1:], start=1):
        more = FALSE
        for ours, theirs in zip(number, best, strict=True):
            more = netlist.choose(netlist.differ(ours, theirs), ours, more)
        best = [netlist.choose(more, ours, theirs) for ours, theirs in zip(number, best, strict=True)]
        binary = [TRUE if index >> bit & 1 else FALSE for bit in range(places)]
        place = [netlist.choose(more, ours, theirs) for ours, theirs in zip(binary, place, strict=True)]
    return place
