"""CovJac (Kim 2026, arXiv:2605.08657): a neuron is a point c in the space of c0..c3; gate j is the point G_j.

Training computes with c_soft = sum_j w_j G_j, w = softmax(-|c - G_j|^2 / temperature). Its Jacobian is
(2 / temperature) Cov_w(G), which autograd computes. The discrete network uses the nearest gate.
"""

import torch

from lgn.gates import COEFFICIENTS
from lgn.methods._method import ANY, Method, gate_coefficients, table


def distances(coefficients: torch.Tensor) -> torch.Tensor:
    """(width, 16) squared distances of points (width, 4) from the gates."""
    return (coefficients.unsqueeze(1) - table(COEFFICIENTS, coefficients)).square().sum(-1)


class CovJac(Method):
    name, label, size = "covjac", "CovJac", 4
    applies = {"temperature": ANY, "final_temperature": ANY, "init_scale": ANY}
    named = {"covjac": ("CovJac", {})}

    def coefficients(self, parameters, draw):
        weights = torch.softmax(-distances(parameters) / draw.estimator.temperature, -1)
        return gate_coefficients(weights)

    def gates(self, parameters):
        return distances(parameters).argmin(-1).to(torch.uint8)

    def gate_probabilities(self, parameters):
        """At temperature 1, as in softmax.py."""
        return torch.softmax(-distances(parameters), -1)
