"""Light DLGN, the input-wise parametrisation (Ruettgers et al. 2025, arXiv:2510.03250): four numbers per gate.

The output at each cell (a, b) is w = (1 + sin p) / 2, or sigmoid(p); on reals it is their multilinear extension. The
discrete gate has w >= 1/2. Initial parameters are normal around a shift towards the pass-through gate `a`.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field

from lgn.methods import _method
from lgn.methods._method import Method, coefficients_of, gates_of, probabilities_of

SHIFT = {"sinusoidal": 1.2, "sigmoid": 3.0}


class Light(Method):
    name, label, size = "light", "Light", 4
    named = {"light": ("Light", {}), "light_sigmoid": ("Light, sigmoid", {"options": {"cells": "sigmoid"}})}

    class Options(_method.Options):
        cells: Annotated[
            Literal["sinusoidal", "sigmoid"], Field(description="function from parameter to cell")
        ] = "sinusoidal"
        scale: Annotated[float, Field(ge=0, description="standard deviation of the initial parameters")] = (
            0.25
        )
        shift: Annotated[
            float | None,
            Field(
                ge=0,
                description="mean of the initial parameters, negated where the first input is 0; null: 1.2, sigmoid 3",
            ),
        ] = None

    def init(self, generator, width, initial):
        shift = SHIFT[self.options.cells] if self.options.shift is None else self.options.shift
        normal = super().init(generator, width, _method.Initial(scale=self.options.scale))
        return normal + shift * torch.tensor([-1.0, -1.0, 1.0, 1.0])

    def cells(self, parameters):
        return (
            torch.sigmoid(parameters) if self.options.cells == "sigmoid" else (1 + torch.sin(parameters)) / 2
        )

    def coefficients(self, parameters, draw):
        return coefficients_of(self.cells(parameters))

    def gates(self, parameters):
        return gates_of(self.cells(parameters) >= 0.5)

    def gate_probabilities(self, parameters):
        return probabilities_of(self.cells(parameters))
