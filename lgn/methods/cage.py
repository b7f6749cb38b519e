"""CAGE (Kim 2026, arXiv:2603.14157): straight-through with a backward temperature that falls as gates grow confident.

Forward: the argmax of the logits, or of logits plus noise. Backward: through w = softmax(z / t_b), without noise. The
confidence is the mean over all neurons of max softmax(z). c_ema is its moving average with decay 0.99, from 1/16 on,
updated before every forward pass. t_b = 3 - 2.5 (c_ema - 1/16) / (15/16).
"""

from typing import Annotated

import torch
from pydantic import Field

from lgn.gates import GATES
from lgn.methods import _method
from lgn.methods._method import ANY, Method, gate_coefficients
from lgn.methods.softmax import Softmax


class Cage(Softmax):
    name, label = "cage", "CAGE"
    applies = {"noise": ANY, "straight_through": (True,), "init": ANY, "init_scale": ANY, "init_bias": ANY}
    named = {"cage": ("Hard-ST CAGE", {}), "gumbel_cage": ("GLGN CAGE", {"noise": "gumbel"})}

    class Options(_method.Options):
        first: Annotated[
            float, Field(gt=0, description="backward temperature at confidence 1/16, uniform weights")
        ] = 3.0
        last: Annotated[float, Field(gt=0, description="backward temperature at confidence 1")] = 0.5
        decay: Annotated[float, Field(ge=0, lt=1, description="decay of the confidence's moving average")] = (
            0.99
        )

    def state(self):
        return {"c_ema": torch.tensor(1 / GATES)}

    def update(self, state, parameters):
        confidence = torch.softmax(torch.cat(parameters), -1).amax(-1).mean()
        state["c_ema"].lerp_(confidence.to(state["c_ema"]), 1 - self.options.decay)

    def backward_temperature(self, state) -> torch.Tensor:
        share = (state["c_ema"] - 1 / GATES) / (1 - 1 / GATES)
        return self.options.first - (self.options.first - self.options.last) * share

    layer = Method.layer

    def coefficients(self, parameters, draw):
        return gate_coefficients(torch.softmax(parameters / self.backward_temperature(draw.state), -1))
