"""The textbook relaxation: all sixteen gates on (batch, width) tensors, summed with their weights.

What difflogic's Python path computes, in its layout: a row an image, float32, a gather of each layer's inputs.
"""

import torch

from benchmarks.cases import Case, build_network
from benchmarks.implementations.training import sampled_weights, training_step
from benchmarks.measure import Step
from lgn.network import LogicNetwork


def relaxed_gates(a: torch.Tensor, b: torch.Tensor):
    """The sixteen gates of (batch, width) reals, in the order of lgn.gates, each computed from a and b."""
    yield torch.zeros_like(a)
    yield a * b
    yield a - a * b
    yield a
    yield b - a * b
    yield b
    yield a + b - 2 * a * b
    yield a + b - a * b
    yield 1 - (a + b - a * b)
    yield 1 - (a + b - 2 * a * b)
    yield 1 - b
    yield 1 - b + a * b
    yield 1 - a
    yield 1 - a + a * b
    yield 1 - a * b
    yield torch.ones_like(a)


class SixteenGates(torch.nn.Module):
    """The layers of a LogicNetwork: bits (batch, inputs) to scores (batch, classes)."""

    def __init__(self, network: LogicNetwork, method: str):
        super().__init__()
        self.method, self.classes, self.group_temperature = method, network.classes, network.group_temperature
        self.logits = torch.nn.ParameterList(layer.detach().clone() for layer in network.logits)
        for layer in range(network.depth):
            self.register_buffer(f"wiring_{layer}", network.wiring(layer).long())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, logits in enumerate(self.logits):
            first, second = self.get_buffer(f"wiring_{layer}")
            a, b = x[:, first], x[:, second]
            weights = sampled_weights(logits, self.method)
            x = torch.zeros_like(a)
            for gate, value in enumerate(relaxed_gates(a, b)):
                x = x + weights[:, gate] * value
        return x.reshape(len(x), self.classes, -1).sum(-1) / self.group_temperature


def build(case: Case, method: str, compiled: bool = False) -> Step:
    return training_step(case, SixteenGates(build_network(case, method), method), compiled)
