"""WARP (arXiv:2602.03527): four Walsh coefficients per neuron, s = t0 + t1 v + t2 u + t3 uv; u = 1 - 2a, v = 1 - 2b.

Soft: the output is sigmoid(-s / temperature) on real inputs. It is not multilinear, so only torch computes it.
Hard: the forward uses the gate with s < 0 at the cells, and the parameters get the gradient of sigmoid(-s /
temperature) at the cells. The gradient reaches a layer's inputs through the gate, as in every hard forward. Noise
gumbel is the difference of two Gumbels (a logistic), the same for all images: on each cell of a hard neuron, on s of a
soft one. Initially the first input passes with the residual probability; without it parameters are normal.
"""

import math
from typing import Annotated

import torch
from pydantic import Field

from lgn.methods import _method
from lgn.methods._method import ANY, Method, coefficients_of, gates_of, probabilities_of, table
from lgn.noise import uniforms

SIGNS = [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
"""1, v, u and uv at (a, b) = 00, 01, 10, 11."""


class Walsh(Method):
    name, label, size = "walsh", "WARP", 4
    applies = {
        "noise": ("none", "gumbel"), "straight_through": (False, True), "temperature": ANY, "final_temperature": ANY,
    }  # fmt: skip
    named = {
        "walsh": ("WARP", {}),
        "walsh_hard": ("WARP hard", {"straight_through": True}),
        "walsh_gumbel": ("WARP Gumbel", {"noise": "gumbel"}),
        "walsh_gumbel_hard": ("WARP Gumbel hard", {"noise": "gumbel", "straight_through": True}),
    }

    class Options(_method.Options):
        residual_probability: Annotated[
            float | None,
            Field(
                gt=0,
                lt=1,
                description="initial probability of passing the first input; null: normal parameters",
            ),
        ] = 0.951

    def init(self, generator, width, initial):
        if self.options.residual_probability is None:
            return super().init(generator, width, initial)
        p = self.options.residual_probability
        passing = initial.temperature * (math.log(p) - math.log(1 - p))
        return passing * torch.tensor([0.0, 0.0, 1.0, 0.0]).repeat(width, 1)

    def cells(self, parameters, draw=None):
        """(width, 4): -s at the cells, plus noise if a draw is given."""
        s = parameters @ table(-torch.tensor(SIGNS), parameters)
        return s if draw is None or not self._is_noisy(draw) else s + self._noise(s, draw)

    def layer(self, parameters, draw):
        if draw.mode == "discrete":
            return None, self.gates(parameters)
        cells = self.cells(parameters, draw)
        soft = coefficients_of(torch.sigmoid(cells / draw.estimator.temperature))
        return soft, gates_of(cells.detach() > 0) if draw.hard else None

    def coefficients(self, parameters, draw):
        return self.layer(parameters, draw)[0]

    def gates(self, parameters):
        return gates_of(self.cells(parameters) > 0)

    def gate_probabilities(self, parameters):
        return probabilities_of(torch.sigmoid(self.cells(parameters)))

    def on_cells(self, estimator):
        return estimator.straight_through

    def outputs(self, parameters, a, b, draw):
        u, v = 1 - 2 * a, 1 - 2 * b
        t = parameters.unsqueeze(-1)
        s = t[:, 0] + t[:, 1] * v + (t[:, 2] + t[:, 3] * v) * u
        return torch.sigmoid((self._noise(s[:, :1], draw) - s) / draw.estimator.temperature)

    def _is_noisy(self, draw):
        return draw.mode == "train_mode" and draw.estimator.noise != "none"

    def _noise(self, like, draw):
        if not self._is_noisy(draw):
            return torch.zeros_like(like)
        u = uniforms(draw.key, len(like), like.device)[:, : like.shape[1]].to(like.dtype)
        return torch.log(u) - torch.log(1 - u)
