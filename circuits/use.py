"""Counts neurons of a trained network by their effect, not by the certainty of their logits.

Each count is stricter than the one before: the neuron has a path to an output; an output depends on it after constants
are propagated; no other gate has its function; it is left after logic synthesis. A separate count: its complement
changes some class.
"""

import tempfile
from pathlib import Path

import numpy as np

from circuits import export
from circuits.classifier import discrete_gates, gates_alone, packed
from circuits.netlist import Netlist
from circuits.prove import command, printed, tool
from lgn.arrays import stacked_wiring
from lgn.data.encoding import encode
from lgn.evaluate import entropies_and_gates
from lgn.gates import TRUTH_TABLE
from lgn.kernels.circuit import live_circuit
from lgn.metrics import unused_threshold
from lgn.network import LogicNetwork

Splits = dict[str, tuple[np.ndarray, np.ndarray]]

FLIPS = 64
"""Networks per block, each with one complemented neuron."""


def reaching(network: LogicNetwork) -> int:
    """Number of neurons with a path to a class through gates that depend on the input."""
    tables = TRUTH_TABLE[discrete_gates(network)].reshape(network.depth, network.width, 2, 2)
    reads_first, reads_second = (
        (tables[..., 0, :] != tables[..., 1, :]).any(-1),
        (tables[..., 0] != tables[..., 1]).any(-1),
    )
    wiring, live, count = stacked_wiring(network), np.ones(network.width, bool), 0
    for layer in reversed(range(network.depth)):
        count += int(live.sum())
        first, second = wiring[layer]
        read = np.concatenate([first[live & reads_first[layer]], second[live & reads_second[layer]]])
        live = np.zeros(network.width if layer else network.inputs, bool)
        live[read] = True
    return count


def folded(network: LogicNetwork) -> int:
    """Number of neurons that an output depends on after constants are propagated, with copies and complements."""
    return sum(len(layer.gates) for layer in live_circuit(network).layers)


def synthesised(netlist: Netlist) -> tuple[int, int] | None:
    """Two-input gates and levels after ABC's synthesis of the same functions (dch; map -a); None without ABC."""
    if not tool("abc"):
        return None
    tables = {
        "and": "a*b", "andn": "a*!b", "nand": "!(a*b)", "or": "a+b", "orn": "a+!b", "nor": "!(a+b)", "xor": "a*!b+!a*b",
        "xnor": "a*b+!a*!b",
    }  # fmt: skip
    library = [f"GATE {name} 1 O={text}; PIN * UNKNOWN 1 999 1 0 1 0" for name, text in tables.items()]
    library += ["GATE inv 0 O=!a; PIN * INV 1 999 0 0 0 0", "GATE buf 0 O=a; PIN * NONINV 1 999 0 0 0 0"]
    library += ["GATE zero 0 O=CONST0;", "GATE one 0 O=CONST1;"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "two.genlib").write_text("\n".join([*library, ""]), encoding="utf-8")
        (Path(folder) / "net.aig").write_bytes(export.aiger(netlist, ""))
        script = "read_library two.genlib; read net.aig; strash; dch; map -a; print_stats"
        text = command([tool("abc"), "-c", script], Path(folder))
    area, levels = (float(printed(rf"{name}\s*=\s*([\d.]+)", text, "abc")) for name in ("area", "lev"))
    return round(area), round(levels)


def silent(network: LogicNetwork, bits: np.ndarray) -> np.ndarray:
    """(depth, width) bool: neurons whose complement changes no example's class. bits: (n, inputs) zeros and ones."""
    gates, wiring, examples = discrete_gates(network), stacked_wiring(network), len(bits)
    activations = [packed(bits.T.astype(np.uint8))]
    for layer, (first, second) in enumerate(wiring):
        activations.append(_layer(gates[layer], first, second, activations[-1]))
    expected = _classes(activations[-1][None], network.classes, examples)[0]
    found = np.zeros(gates.shape, bool)
    for layer in range(network.depth):
        for start in range(0, network.width, FLIPS):
            neurons = np.arange(start, min(start + FLIPS, network.width))
            values = np.repeat(activations[layer + 1][None], len(neurons), axis=0)
            values[np.arange(len(neurons)), neurons] ^= np.uint64(0xFFFFFFFFFFFFFFFF)
            for above in range(layer + 1, network.depth):
                first, second = wiring[above]
                values = _layer(gates[above], first, second, values)
            same = _classes(values, network.classes, examples) == expected
            found[layer, neurons] = same.all(-1)
    return found


def run(network: LogicNetwork, splits: Splits, thresholds: np.ndarray, *, split: str) -> list[dict]:
    """One row with all counts, of depth times width neurons. unused: by entropy, see lgn.metrics; None without one.

    splits: name -> (images (n, pixels) uint8, labels); not_silent uses the images of `split`.
    """
    netlist, bits = gates_alone(network), encode(splits[split][0], thresholds)
    entropies, _ = entropies_and_gates(network)
    return [
        {
            "neurons": network.depth * network.width,
            "unused": None if np.isnan(entropies).any() else int((entropies > unused_threshold()).sum()),
            "not_silent": int((~silent(network, bits)).sum()),
            "reaching_an_output": reaching(network),
            "after_constants": folded(network),
            "after_sharing": len(netlist.gates),
            "after_synthesis": (synthesised(netlist) or [None])[0],
        }
    ]


def run_bypass(network: LogicNetwork, splits: Splits, thresholds: np.ndarray, *, split: str) -> list[dict]:
    """Rows bypassed, accuracy: of the discrete network if the neurons of one layer pass their first input.

    bypassed: the layer, from 1; 0: none. splits as in run().
    """
    (images, labels), rows = splits[split], []
    gates, wiring = discrete_gates(network), stacked_wiring(network)
    for bypassed in range(network.depth + 1):
        values = packed(encode(images, thresholds).T.astype(np.uint8))
        for layer, (first, second) in enumerate(wiring, start=1):
            values = values[first] if layer == bypassed else _layer(gates[layer - 1], first, second, values)
        found = _classes(values[None], network.classes, len(images))[0]
        rows.append({"bypassed": bypassed, "accuracy": float((found == labels).mean())})
    return rows


def _layer(gates: np.ndarray, first: np.ndarray, second: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A layer's outputs (..., width, words) from values (..., neurons, words): gates as algebraic normal forms."""
    a, b = values[..., first, :], values[..., second, :]
    table = TRUTH_TABLE[gates].astype(bool)
    c0, c1, c2 = table[:, 0], table[:, 0] ^ table[:, 2], table[:, 0] ^ table[:, 1]
    masks = [np.where(c, ~np.uint64(0), np.uint64(0))[:, None] for c in (c0, c1, c2, table.sum(1) % 2 == 1)]
    return masks[0] ^ (masks[1] & a) ^ (masks[2] & b) ^ (masks[3] & a & b)


def _classes(last: np.ndarray, classes: int, examples: int) -> np.ndarray:
    """(networks, examples) classes from last layers (networks, width, words); ties go to the first class."""
    bits = np.unpackbits(np.ascontiguousarray(last).view(np.uint8), axis=-1, bitorder="little")[
        ..., :examples
    ]
    return bits.reshape(len(last), classes, -1, examples).sum(2, dtype=np.int32).argmax(1)
