"""Four coefficients for sixteen gates, one row per neuron: plain torch with the best layout and algebra."""

import torch

from benchmarks.cases import Case, build_network
from benchmarks.implementations.training import sampled_weights, training_step
from benchmarks.measure import Step
from lgn.gates import COEFFICIENTS
from lgn.network import LogicNetwork


class FourCoefficients(torch.nn.Module):
    """The layers of a LogicNetwork: bits (inputs, batch) to scores (batch, classes)."""

    def __init__(self, network: LogicNetwork, method: str):
        super().__init__()
        self.method, self.classes, self.group_temperature = method, network.classes, network.group_temperature
        self.logits = torch.nn.ParameterList(layer.detach().clone() for layer in network.logits)
        self.register_buffer("table", torch.tensor(COEFFICIENTS, dtype=torch.float32))
        for layer in range(network.depth):
            self.register_buffer(f"wiring_{layer}", network.wiring(layer).clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, logits in enumerate(self.logits):
            first, second = self.get_buffer(f"wiring_{layer}")
            c0, c1, c2, c3 = (sampled_weights(logits, self.method) @ self.table).unsqueeze(-1).unbind(1)
            a, b = x.index_select(0, first), x.index_select(0, second)
            x = c0 + c1 * a + (c2 + c3 * a) * b
        return x.view(self.classes, -1, x.shape[1]).sum(1).t() / self.group_temperature


def build(case: Case, method: str, compiled: bool = False) -> Step:
    model = FourCoefficients(build_network(case, method), method)
    return training_step(case, model, compiled, transposed=True)
