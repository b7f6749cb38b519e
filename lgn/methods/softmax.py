"""A softmax over sixteen logits: DLGN (Petersen et al. 2022, arXiv:2210.08277) and its variants.

(noise, straight_through) defines the variant: DLGN (none, off), Gumbel soft (gumbel, off), Hard-ST (none, on), GLGN
(gumbel, on; Yousefi et al. 2025, arXiv:2506.07500). init residual follows Petersen et al. 2024, arXiv:2411.04732.
"""

import numpy as np
import torch

from lgn.gates import PASS_A
from lgn.methods._method import ANY, Method, gate_coefficients

EVERYTHING = dict.fromkeys(
    ("noise", "straight_through", "temperature", "final_temperature", "init", "init_scale", "init_bias"), ANY
)


class Softmax(Method):
    name, label = "softmax", "softmax of 16 logits"
    applies = EVERYTHING

    def init(self, generator, width, initial):
        """N(0, scale^2); residual adds the bias to the logit of the pass-through gate `a`."""
        logits = super().init(generator, width, initial)
        if initial.init == "residual":
            logits[:, PASS_A] += np.float32(initial.bias)
        return logits

    def layer(self, parameters, draw):
        if draw.mode == "discrete":
            return None, self.gates(parameters)
        weights = torch.softmax(draw.perturbed(parameters) / draw.estimator.temperature, -1)
        # The argmax of the weights, not of the logits: if rounding makes two weights equal, the first one.
        return gate_coefficients(weights), self.gates(weights) if draw.hard else None

    def coefficients(self, parameters, draw):
        return self.layer(parameters, draw)[0]

    def gates(self, parameters):
        return parameters.argmax(-1).to(torch.uint8)

    def gate_probabilities(self, parameters):
        return torch.softmax(parameters, -1)

    def entropies(self, parameters):
        from lgn.metrics import entropies

        return entropies(parameters.numpy())
