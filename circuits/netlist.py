"""A graph of two-input gates without duplicates, for export, counting and proofs.

A literal is 2 * node, or 2 * node + 1 for the node's complement, as in AIGER. Node 0 is constant: literal 0 is false,
1 is true.
"""

from collections.abc import Iterable

import numpy as np

FALSE, TRUE = 0, 1

AND, A_AND_NOT_B, NOT_A_AND_B, XOR, OR = 1, 2, 4, 6, 7
"""The gates that nodes can have, numbered as in lgn.gates: they give 0 for 00 and depend on both inputs."""


class Netlist:
    """Inputs by name, nodes in order of creation, outputs by name.

    Each node exists once. Constants, copies and complements are literals, not nodes. A node's inputs are in rising
    order.
    """

    def __init__(self, inputs: Iterable[str]):
        self.inputs = list(inputs)
        self.gates: list[tuple[int, int, int]] = []  # (gate, first, second): nodes, not literals.
        self.names: dict[int, str] = {}  # For nodes that are a neuron.
        self.outputs: dict[str, int] = {}
        self._made: dict[tuple[int, int, int], int] = {}

    @property
    def first_gate(self) -> int:
        """The node of gates[0]."""
        return 1 + len(self.inputs)

    def input(self, place: int) -> int:
        """The literal of an input."""
        return 2 * (1 + place)

    def gate(self, gate: int, a: int, b: int) -> int:
        """The literal of a gate, 0 to 15 as in lgn.gates, of two literals."""
        table = [gate >> 3 & 1, gate >> 2 & 1, gate >> 1 & 1, gate & 1]  # For (a, b) = 00, 01, 10, 11.
        if a & 1:
            table = table[2:] + table[:2]
        if b & 1:
            table = [table[1], table[0], table[3], table[2]]
        a, b = a >> 1, b >> 1
        if a == 0:  # Constant false: the table contains the complement already.
            table = [table[0], table[1], table[0], table[1]]
        if b == 0:
            table = [table[0], table[0], table[2], table[2]]
        if a == b:
            table = [table[0], table[0], table[3], table[3]]
        complement = table[0]
        table = [bit ^ complement for bit in table]
        if a > b:
            a, b, table = b, a, [table[0], table[2], table[1], table[3]]
        number = 4 * table[1] + 2 * table[2] + table[3]
        if number == 0:
            return complement
        if number == 3:
            return 2 * a + complement
        if number == 5:
            return 2 * b + complement
        key = (number, a, b)
        if key not in self._made:
            self._made[key] = self.first_gate + len(self.gates)
            self.gates.append(key)
        return 2 * self._made[key] + complement

    def both(self, a: int, b: int) -> int:
        """The literal of a and b."""
        return self.gate(AND, a, b)

    def either(self, a: int, b: int) -> int:
        """The literal of a or b."""
        return self.gate(OR, a, b)

    def differ(self, a: int, b: int) -> int:
        """The literal of a exclusive-or b."""
        return self.gate(XOR, a, b)

    def choose(self, condition: int, yes: int, no: int) -> int:
        """The literal of (yes if condition else no)."""
        return self.either(self.both(condition, yes), self.both(condition ^ 1, no))

    def live(self) -> "Netlist":
        """A copy without nodes that no output depends on."""
        needed = {literal >> 1 for literal in self.outputs.values()}
        for node in range(self.first_gate + len(self.gates) - 1, self.first_gate - 1, -1):
            if node in needed:
                needed.update(self.gates[node - self.first_gate][1:])
        left = Netlist(self.inputs)
        literals = {node: 2 * node for node in range(self.first_gate)}
        for place, (gate, a, b) in enumerate(self.gates):
            node = self.first_gate + place
            if node in needed:
                literals[node] = left.gate(gate, literals[a], literals[b])
                if node in self.names:
                    left.names[literals[node] >> 1] = self.names[node]
        left.outputs = {name: literals[lit >> 1] ^ (lit & 1) for name, lit in self.outputs.items()}
        return left

    def evaluate(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """output -> (words,) uint64 for inputs (inputs, words) uint64: one bit per example."""
        ones = np.uint64(0xFFFFFFFFFFFFFFFF)
        values = [np.zeros(inputs.shape[1], np.uint64), *inputs]
        for gate, a, b in self.gates:
            x, y = values[a], values[b]
            values.append(_FORMULAS[gate](x, y))
        return {
            name: values[lit >> 1] ^ (ones if lit & 1 else np.uint64(0)) for name, lit in self.outputs.items()
        }

    def depth(self) -> int:
        """Number of gates on the longest path from an input to an output."""
        depths = [0] * self.first_gate
        for _, a, b in self.gates:
            depths.append(1 + max(depths[a], depths[b]))
        return max((depths[literal >> 1] for literal in self.outputs.values()), default=0)


_FORMULAS = {
    AND: lambda x, y: x & y,
    A_AND_NOT_B: lambda x, y: x & ~y,
    NOT_A_AND_B: lambda x, y: ~x & y,
    XOR: lambda x, y: x ^ y,
    OR: lambda x, y: x | y,
}
