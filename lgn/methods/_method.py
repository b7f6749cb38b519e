"""The interface of a method's file. A layer's parameters are (width, size); its gates are c0 + c1 a + c2 b + c3 ab."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from lgn.gates import CELLS_TO_COEFFICIENTS, COEFFICIENTS, GATES, TRUTH_TABLE
from lgn.methods._registry import noises
from lgn.methods._settings import Estimator
from lgn.noise import uniforms

ANY = None
"""Every value of a setting is allowed."""


class Options(BaseModel):
    """A method's own settings. config/README.md lists their defaults and descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Initial:
    """The run's settings for initial parameters (see lgn.run)."""

    init: str = "gaussian"
    scale: float = 1.0
    bias: float = 0.0
    temperature: float = 1.0


@dataclass(frozen=True)
class Draw:
    """The mode, estimator, noise and method state for computing one layer, or several layers of one width at once.

    mode: one of MODES. key: randomness.layer_key of layer and step, or a list for several layers. state: see Method.
    """

    mode: str
    estimator: Estimator
    key: tuple[int, int] | list[tuple[int, int]] | None = None
    state: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def hard(self) -> bool:
        """Whether the layer's forward pass uses discrete gates."""
        return self.mode == "train_mode" and self.estimator.straight_through

    def perturbed(self, parameters: torch.Tensor) -> torch.Tensor:
        """parameters (width, size) plus the noise of train mode, the same for all images. size is at most 16."""
        noise = self.estimator.noise
        if self.mode != "train_mode" or noise == "none":
            return parameters
        assert self.key is not None  # train mode always has one
        u = uniforms(self.key, parameters.shape[0], parameters.device)[:, : parameters.shape[1]]
        return parameters + noises()[noise](u).to(parameters.dtype)


class Method:
    """Parametrisation and estimator of a layer. A method's file overrides what differs.

    name: value of the setting `parametrization`. label: for legends. size: parameters per neuron. applies: settings of
    a run that the method uses, with allowed values (the others must be at their defaults). named: shorthands for the
    setting `method`, each a label and its settings, on top of the parametrization's first allowed ones.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    size: ClassVar[int] = GATES
    Options: ClassVar[type[BaseModel]] = Options
    applies: ClassVar[dict[str, tuple | None]] = {}
    named: ClassVar[dict[str, tuple[str, dict]]] = {}

    def __init__(self, options: BaseModel):
        self.options: Any = options  # of the method's own class

    def init(self, generator: np.random.Generator, width: int, initial: Initial) -> torch.Tensor:
        """(width, size) float32 initial parameters; normal by default."""
        drawn = generator.standard_normal((width, self.size), dtype=np.float32)
        return torch.from_numpy(drawn * np.float32(initial.scale))

    def coefficients(self, parameters: torch.Tensor, draw: Draw) -> torch.Tensor:
        """(width, 4) c0..c3, differentiable: soft and train mode use them; a hard forward uses their gradient."""
        raise NotImplementedError

    def gates(self, parameters: torch.Tensor) -> torch.Tensor:
        """(width,) uint8 gates of the discrete network."""
        raise NotImplementedError

    def gate_probabilities(self, parameters: torch.Tensor) -> torch.Tensor | None:
        """(width, 16) float64 probabilities, for entropies; None: the method has no entropies."""
        return None

    def drawn_gates(self, parameters: torch.Tensor, draw: Draw) -> torch.Tensor:
        """(width,) uint8 gates of a hard forward pass; by default those of the perturbed parameters."""
        return self.gates(draw.perturbed(parameters))

    def state(self) -> dict[str, torch.Tensor]:
        """name -> initial value of a further buffer of the method; a part of the network's state_dict."""
        return {}

    def update(self, state: dict[str, torch.Tensor], parameters: list[torch.Tensor]) -> None:
        """Called before each training step with all layers' parameters. Changes the state in place."""

    def on_cells(self, estimator: Estimator) -> bool:
        """Whether a neuron is c0 + c1 a + c2 b + c3 ab on reals too. If not, outputs() computes it, in torch only."""
        return True

    def outputs(self, parameters: torch.Tensor, a: torch.Tensor, b: torch.Tensor, draw: Draw) -> torch.Tensor:
        """(width, batch) outputs for inputs (width, batch) in soft mode and train mode, if on_cells is False."""
        raise NotImplementedError

    def layer(self, parameters: torch.Tensor, draw: Draw) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """(coefficients, gates). The forward uses gates if not None; the gradient goes through the coefficients."""
        if draw.mode == "discrete":
            return None, self.gates(parameters)
        return self.coefficients(parameters, draw), self.drawn_gates(parameters, draw) if draw.hard else None

    def entropies(self, parameters: torch.Tensor) -> np.ndarray:
        """(width,) float64 entropies of gate_probabilities in nats; NaN if the method has none."""
        found = self.gate_probabilities(parameters.double())
        if found is None:
            return np.full(len(parameters), np.nan)
        return torch.special.entr(found).sum(-1).numpy()


class StraightThrough(torch.autograd.Function):
    """Forward: hard. Backward: soft, of the same shape, gets the gradient unchanged."""

    @staticmethod
    def forward(ctx, soft, hard):
        return hard.view_as(hard)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def forward_coefficients(method: Method, parameters: torch.Tensor, draw: Draw) -> torch.Tensor:
    """(width, 4) coefficients for a layer's forward pass, differentiable in the parameters."""
    coefficients, gates = method.layer(parameters, draw)
    if gates is None:
        return coefficients
    hard = table(COEFFICIENTS, parameters)[gates.long()]
    return hard if coefficients is None else StraightThrough.apply(coefficients, hard)


def table(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """A table of lgn.gates as a tensor with the dtype and device of `like`."""
    return torch.as_tensor(values, dtype=like.dtype, device=like.device)


def gate_coefficients(weights: torch.Tensor) -> torch.Tensor:
    """(width, 4) c0..c3 of mixtures of the sixteen gates with weights (width, 16)."""
    return weights @ table(COEFFICIENTS, weights)


def coefficients_of(cells: torch.Tensor) -> torch.Tensor:
    """(width, 4) c0..c3 from outputs (width, 4) at (a, b) = 00, 01, 10, 11."""
    return cells @ table(CELLS_TO_COEFFICIENTS.T, cells)


def gates_of(bits: torch.Tensor) -> torch.Tensor:
    """(width,) uint8 gates with truth tables bits (width, 4)."""
    places = torch.tensor([8, 4, 2, 1], dtype=torch.uint8, device=bits.device)
    return (bits.to(torch.uint8) * places).sum(-1, dtype=torch.uint8)


def probabilities_of(cells: torch.Tensor) -> torch.Tensor:
    """(width, 16) probabilities of the gates if each cell (width, 4) is independently 1 with that probability."""
    ones = table(TRUTH_TABLE, cells)
    return (cells.unsqueeze(1) * ones + (1 - cells.unsqueeze(1)) * (1 - ones)).prod(-1)
