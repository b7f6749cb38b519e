"""The logic gate network as a torch module. Its parameters are gate logits, or another parametrization's numbers.

forward() is the readable reference (autograd). kernels/ trains the same module faster.
"""

import numpy as np
import torch
from torch import nn

from lgn.arrays import require_bits, require_mode
from lgn.errors import LgnError
from lgn.methods import Estimator, method_of
from lgn.methods._method import Draw, Initial, Method, forward_coefficients
from lgn.randomness import layer_key, stream_seed
from lgn.wiring import WIRINGS, likeliest, mixed


def change_gradient(x: torch.Tensor, factor: float) -> torch.Tensor:
    """Returns x. Multiplies its gradient, summed over all consumers, by factor."""
    if factor == 1 or not x.requires_grad:
        return x
    y = x.view_as(x)
    y.register_hook(lambda gradient: gradient * factor)
    return y


class LogicNetwork(nn.Module):
    """depth layers of `width` two-input gates and a GroupSum of `classes` equal groups (paper, section Model).

    logits.{layer}: (width, 16) float32 parameters; (width, size) for another parametrization.
    wiring_{layer}: (2, width) int32 buffers, indices into the layer before. With learned wiring they are the likeliest
    of candidates_{layer}, (2, width, candidates) int32 buffers, by parameters choices.{layer} of the same shape.
    iteration: int64 buffer, training steps so far; it is the `step` of the noise.
    state_{name}: buffers that a method keeps beside its parameters (methods.Method.state).
    Raises LgnError if width is not a multiple of classes, or if the wiring is impossible.
    """

    def __init__(
        self,
        *,
        inputs: int,
        classes: int,
        depth: int,
        width: int,
        wiring: str,
        init: str,
        init_scale: float,
        init_bias: float,
        group_temperature: float,
        estimator: Estimator,
        seed: int,
    ):
        super().__init__()
        if width % classes:
            raise LgnError(
                f"width: {width} does not divide into {classes} classes; allowed: multiples of {classes}"
            )
        self.inputs, self.classes, self.depth, self.width = inputs, classes, depth, width
        self.group_temperature, self.estimator = group_temperature, estimator
        self.noise_seed = stream_seed(seed, "noise")
        self.evaluation_noise_seed = stream_seed(seed, "evaluation_noise")
        wires = np.random.default_rng(stream_seed(seed, "wiring"))
        values = np.random.default_rng(stream_seed(seed, "logits"))
        self.logits, self.choices = nn.ParameterList(), nn.ParameterList()
        for layer in range(depth):
            count = estimator.candidates
            pairs = WIRINGS[wiring](inputs if layer == 0 else width, width * count, wires)
            candidates = torch.from_numpy(pairs).view(2, width, count)
            self.register_buffer(f"wiring_{layer}", candidates[:, :, 0].contiguous())
            if count > 1:
                self.register_buffer(f"candidates_{layer}", candidates)
                drawn = wires.standard_normal((2, width, count), dtype=np.float32)
                self.choices.append(nn.Parameter(torch.from_numpy(drawn)))
            initial = Initial(init, init_scale, init_bias, estimator.temperature)
            self.logits.append(nn.Parameter(self.method.init(values, width, initial)))
        self.state_names = tuple(self.method.state())
        for name, tensor in self.method.state().items():
            self.register_buffer(f"state_{name}", tensor)
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))
        self.compute = self.reference_scores  # kernels.module.accelerate replaces it.

    @property
    def method(self) -> Method:
        """The method of the estimator."""
        return method_of(self.estimator)

    def wiring(self, layer: int) -> torch.Tensor:
        """(2, width) int32: the two inputs of every neuron of a layer."""
        wiring = self.get_buffer(f"wiring_{layer}")
        if self.choices:
            wiring.copy_(likeliest(self.get_buffer(f"candidates_{layer}"), self.choices[layer]))
        return wiring

    def state_dict(self, *arguments, **keywords):
        """torch's state_dict, with the current wiring."""
        for layer in range(self.depth):
            self.wiring(layer)
        return super().state_dict(*arguments, **keywords)

    def forward(self, bits: torch.Tensor, mode: str | None = None, draw: int = 0) -> torch.Tensor:
        """(batch, classes) scores of (batch, inputs) bits; scores are the group sums over group_temperature.

        bits: of any dtype. Reals from 0 to 1 count as independent probabilities of a 1: gates are multilinear there.
        mode: one of methods.MODES; by default train_mode while training and discrete in evaluation.
        In training every call is one step: it draws new noise, shared by the batch, and increments `iteration`.
        In evaluation, draw selects one of the evaluation's own noise draws at this iteration.
        Raises LgnError for bits of another shape, for values outside 0 to 1 or NaN, and for an unknown mode.
        """
        mode = mode or ("train_mode" if self.training else "discrete")
        require_mode(mode)
        require_bits(bits, self.inputs)
        if not self.training:
            return self.compute(bits, mode, None, draw)
        self.begin_step()
        scores = self.compute(bits, mode, int(self.iteration), draw)
        self.iteration += 1
        return scores

    def reference_scores(self, bits: torch.Tensor, mode: str, step: int | None, draw: int) -> torch.Tensor:
        """The scores by torch and autograd. step: of the training noise; None uses the evaluation's noise `draw`."""
        draws = self.draws(mode, step, draw)
        # [neuron][batch]: a neuron's batch is contiguous, so a gather copies whole rows.
        x = bits.to(self.logits[0].dtype).t().contiguous()
        for layer in range(self.depth):
            x = self._layer(x, layer, draws[layer])
        return (
            x.view(self.classes, self.width // self.classes, x.shape[1]).sum(1).t() / self.group_temperature
        )

    def draws(self, mode: str, step: int | None, draw: int = 0) -> list[Draw]:
        """Each layer's Draw, for a training step or, with step None, for a noise draw of an evaluation."""
        if step is None:  # A separate stream, so that an evaluation does not change training.
            seed, step = self.evaluation_noise_seed + draw, int(self.iteration)
        else:
            seed = self.noise_seed
        state = self.method_state()
        return [
            Draw(mode, self.estimator, layer_key(seed, step, layer), state) for layer in range(self.depth)
        ]

    def method_state(self) -> dict[str, torch.Tensor]:
        """name -> buffer that the method keeps beside its parameters."""
        return {name: self.get_buffer(f"state_{name}") for name in self.state_names}

    @torch.no_grad()
    def begin_step(self) -> None:
        """Updates the method's buffers; called before the forward pass of every training step."""
        if self.state_names:
            self.method.update(self.method_state(), list(self.logits))

    @torch.no_grad()
    def gates(self, layer: int) -> torch.Tensor:
        """(width,) uint8: a layer's gates in the discrete network."""
        return self.method.gates(self.logits[layer].detach())

    def _layer(self, x: torch.Tensor, layer: int, draw: Draw) -> torch.Tensor:
        method, parameters = self.method, self.logits[layer]
        x = change_gradient(x, self.estimator.grad_factor)
        if self.choices and draw.mode != "discrete":
            a, b = mixed(x, self.get_buffer(f"candidates_{layer}"), self.choices[layer], draw.hard)
        else:
            # Kernels may have moved the logits to a GPU, but not the wiring.
            a, b = (x.index_select(0, wire) for wire in self.wiring(layer).to(x.device))
        if draw.mode != "discrete" and not method.on_cells(self.estimator):
            return method.outputs(parameters, a, b, draw)
        c = forward_coefficients(method, parameters, draw).unsqueeze(-1)
        return c[:, 0] + c[:, 1] * a + (c[:, 2] + c[:, 3] * a) * b
