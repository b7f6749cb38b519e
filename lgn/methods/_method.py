"""What the file of a method states. A layer's parameters are (width, size); its gates are c0 + c1 a + c2 b + c3 ab."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from lgn.gates import CELLS_TO_COEFFICIENTS, COEFFICIENTS, GATES, TRUTH_TABLE
from lgn.methods._registry import noises
from lgn.methods._settings import Estimator
from lgn.noise import uniforms

ANY = None
"""Every value of a setting."""


class Options(BaseModel):
    """A method's own settings; their defaults and descriptions go into config/README.md."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Initial:
    """The run's settings of what parameters begin as (see lgn.run)."""

    init: str = "gaussian"
    scale: float = 1.0
    bias: float = 0.0
    temperature: float = 1.0


@dataclass(frozen=True)
class Draw:
    """What a layer, or several of one width at once, is computed under.

    mode: one of MODES. key: randomness.layer_key of layer and step, a list of them for several. state: see Method.
    """

    mode: str
    estimator: Estimator
    key: tuple[int, int] | list[tuple[int, int]] | None = None
    state: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def hard(self) -> bool:
        """Whether the layer's forward takes discrete gates."""
        return self.mode == "train_mode" and self.estimator.straight_through

    def perturbed(self, parameters: torch.Tensor) -> torch.Tensor:
        """parameters (width, size) with the noise of train mode, the same for all images; size is at most 16."""
        noise = self.estimator.noise
        if self.mode != "train_mode" or noise == "none":
            return parameters
        u = uniforms(self.key, parameters.shape[0], parameters.device)[:, : parameters.shape[1]]
        return parameters + noises()[noise](u).to(parameters.dtype)


class Method:
    """Parametrisation and estimator of a layer. A file overrides what it does otherwise.

    name: what `parametrization` says. label: in legends. size: parameters a neuron. applies: the settings of a run that
    the method looks at, with the values it allows; of the others the default alone is allowed. named: shorthands for
    `method`, each a label and the settings it stands for beside the parametrization's first allowed ones.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    size: ClassVar[int] = GATES
    Options: ClassVar[type[Options]] = Options
    applies: ClassVar[dict[str, tuple | None]] = {}
    named: ClassVar[dict[str, tuple[str, dict]]] = {}

    def __init__(self, options: Options):
        self.options = options

    def init(self, generator: np.random.Generator, width: int, initial: Initial) -> torch.Tensor:
        """(width, size) float32 parameters before training; normal by default."""
        drawn = generator.standard_normal((width, self.size), dtype=np.float32)
        return torch.from_numpy(drawn * np.float32(initial.scale))

    def coefficients(self, parameters: torch.Tensor, draw: Draw) -> torch.Tensor:
        """(width, 4) c0..c3, differentiable: what soft and train mode compute with, or what the gradient is of."""
        raise NotImplementedError

    def gates(self, parameters: torch.Tensor) -> torch.Tensor:
        """(width,) uint8 gates of the deployed network."""
        raise NotImplementedError

    def gate_probabilities(self, parameters: torch.Tensor) -> torch.Tensor | None:
        """(width, 16) float64, of which entropies are taken; None: entropies are empty."""
        return None

    def drawn_gates(self, parameters: torch.Tensor, draw: Draw) -> torch.Tensor:
        """(width,) uint8 gates that a hard forward takes; those of the perturbed parameters by default."""
        return self.gates(draw.perturbed(parameters))

    def state(self) -> dict[str, torch.Tensor]:
        """name -> what else the method keeps, as it is before training: part of the network's state_dict."""
        return {}

    def update(self, state: dict[str, torch.Tensor], parameters: list[torch.Tensor]) -> None:
        """Called before each training step, with all layers' parameters; changes the state in place."""

    def on_cells(self, estimator: Estimator) -> bool:
        """Whether a neuron is c0 + c1 a + c2 b + c3 ab on reals too; if not, outputs() computes it, by torch alone."""
        return True

    def outputs(self, parameters: torch.Tensor, a: torch.Tensor, b: torch.Tensor, draw: Draw) -> torch.Tensor:
        """(width, batch) outputs on inputs (width, batch) in soft and train mode, where on_cells says no."""
        raise NotImplementedError

    def layer(self, parameters: torch.Tensor, draw: Draw) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """(coefficients, gates): the forward takes the gates where there are any, the gradient is the coefficients'."""
        if draw.mode == "discrete":
            return None, self.gates(parameters)
        return self.coefficients(parameters, draw), self.drawn_gates(parameters, draw) if draw.hard else None

    def entropies(self, parameters: torch.Tensor) -> np.ndarray:
        """(width,) float64 entropies of gate_probabilities in nats; NaN without."""
        found = self.gate_probabilities(parameters.double())
        if found is None:
            return np.full(len(parameters), np.nan)
        return torch.special.entr(found).sum(-1).numpy()


class StraightThrough(torch.autograd.Function):
    """Forward: hard. Backward: the gradient goes to soft, of the same shape, unchanged."""

    @staticmethod
    def forward(ctx, soft, hard):
        return hard.view_as(hard)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def forward_coefficients(method: Method, parameters: torch.Tensor, draw: Draw) -> torch.Tensor:
    """(width, 4) coefficients that a layer's forward takes, differentiable in the parameters."""
    coefficients, gates = method.layer(parameters, draw)
    if gates is None:
        return coefficients
    hard = table(COEFFICIENTS, parameters)[gates.long()]
    return hard if coefficients is None else StraightThrough.apply(coefficients, hard)


def table(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """A table of lgn.gates as a tensor of another's dtype and device."""
    return torch.as_tensor(values, dtype=like.dtype, device=like.device)


def gate_coefficients(weights: torch.Tensor) -> torch.Tensor:
    """(width, 4) c0..c3 of mixtures of the gates by weights (width, 16): four numbers stand for sixteen gates."""
    return weights @ table(COEFFICIENTS, weights)


def coefficients_of(cells: torch.Tensor) -> torch.Tensor:
    """(width, 4) c0..c3 of outputs (width, 4) at (a, b) = 00, 01, 10, 11."""
    return cells @ table(CELLS_TO_COEFFICIENTS.T, cells)


def gates_of(bits: torch.Tensor) -> torch.Tensor:
    """(width,) uint8 gates whose truth tables are bits (width, 4)."""
    places = torch.tensor([8, 4, 2, 1], dtype=torch.uint8, device=bits.device)
    return (bits.to(torch.uint8) * places).sum(-1, dtype=torch.uint8)


def probabilities_of(cells: torch.Tensor) -> torch.Tensor:
    """(width, 16) probabilities of the gates where cells (width, 4) are independent chances of a 1."""
    ones = table(TRUTH_TABLE, cells)
    return (cells.unsqueeze(1) * ones + (1 - cells.unsqueeze(1)) * (1 - ones)).prod(-1)
