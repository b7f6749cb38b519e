"""Optimisers by their names in a run: torch's, Adam with epsilon inside the root, Adam without epsilon."""

import inspect
import json
from collections.abc import Iterator

import torch

from lgn.methods import BETA_1, BETA_2, OptimizerSettings
from lgn.network import LogicNetwork

_UNFIT = {"Optimizer", "LBFGS", "SparseAdam"}
"""The base class, an optimiser that evaluates the loss itself, and one for sparse gradients."""


def optimizer_names() -> tuple[str, ...]:
    """All allowed names: first those of this suite, then torch's classes."""
    return (*_OWN, *(name for name in torch.optim.__all__ if name[0].isupper() and name not in _UNFIT))


def require_arguments(settings: OptimizerSettings) -> None:
    """Raises ValueError if torch's class does not accept these arguments."""
    kind, options = getattr(torch.optim, settings.name), json.loads(settings.options or "{}")
    known = [name for name in inspect.signature(kind).parameters if name not in ("params", "lr")]
    for name in options:
        if name not in known:
            raise ValueError(
                f"optimizer_options: {name} with optimizer {settings.name}; allowed: {', '.join(known)}"
            )
    try:
        torch_optimizer([torch.nn.Parameter(torch.zeros(2, 2))], settings)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"optimizer_options: {settings.options}: {reason}; allowed: what torch allows"
        ) from None


def torch_optimizer(
    parameters: list[torch.nn.Parameter], settings: OptimizerSettings
) -> torch.optim.Optimizer:
    """The optimizer of these parameters. Their gradients are scaled by settings.gradient_scale."""
    if settings.name in _OWN:
        return _OWN[settings.name](parameters, settings)
    options = {
        k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(settings.options or "{}").items()
    }
    return getattr(torch.optim, settings.name)(parameters, lr=settings.learning_rate, **options)


class _Moments(torch.optim.Optimizer):
    """Adam's bias-corrected moments, for its variants. A variant defines how they change a parameter."""

    def __init__(self, parameters, lr: float, eps: float = 0.0):
        super().__init__(parameters, dict(lr=lr, eps=eps, betas=(BETA_1, BETA_2)))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta_1, beta_2 = group["betas"]
            for logits in group["params"]:
                state = self.state[logits]
                if not state:
                    state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(logits))
                    state["exp_avg_sq"] = torch.zeros_like(logits)
                state["step"] += 1
                moment = state["exp_avg"].lerp_(logits.grad, 1 - beta_1)
                square = state["exp_avg_sq"].mul_(beta_2).addcmul_(logits.grad, logits.grad, value=1 - beta_2)
                step = float(state["step"])
                self.change(logits, group, moment, 1 - beta_1**step, square / (1 - beta_2**step))

    def change(self, parameter, group: dict, moment, correction: float, square) -> None:
        """Changes a parameter in place. correction: bias correction of the moment; square is already corrected."""
        raise NotImplementedError


class AdamInside(_Moments):
    """Adam with step lr * m / sqrt(v + eps^2), m and v being the bias-corrected moments: a control for epsilon."""

    def change(self, parameter, group, moment, correction, square):
        root = (square + group["eps"] ** 2).sqrt_()
        parameter.addcdiv_(moment, root, value=-group["lr"] / correction)


class AdamAtan2(_Moments):
    """Adam without epsilon (Everett et al. 2024, arXiv:2407.05872): its step is lr * atan2(m, sqrt(v)).

    The paper has two free constants; both are 1 here. The step equals Adam's where |m| << sqrt(v), and is at most
    pi/2 lr.
    """

    def change(self, parameter, group, moment, correction, square):
        parameter.add_(torch.atan2(moment / correction, square.sqrt_()), alpha=-group["lr"])


def _adam(parameters, settings: OptimizerSettings) -> torch.optim.Adam:
    # One fused call for all layers takes a quarter of the time if they are small. On a GPU it moves the step count.
    fused = parameters[0].device.type == "cpu"
    return torch.optim.Adam(parameters, lr=settings.learning_rate, eps=settings.scaled_epsilon, fused=fused)


_OWN = {
    "adam": _adam,
    "adam_inside": lambda p, s: AdamInside(p, lr=s.learning_rate, eps=s.scaled_epsilon),
    "adam_atan2": lambda p, s: AdamAtan2(p, lr=s.learning_rate),
    "sgd": lambda p, s: torch.optim.SGD(p, lr=s.learning_rate),
}


class TorchOptimized:
    """Base of engines that step with a torch optimizer: they set network, optimizer, and _torch = torch_optimizer()."""

    network: LogicNetwork
    optimizer: OptimizerSettings
    _torch: torch.optim.Optimizer

    @property
    def _is_adam(self) -> bool:
        return self.optimizer.name in ("adam", "adam_inside")

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """See lgn.kernels.Engine. Other optimizers than Adam: optimizer.{layer}.{name}, on the CPU.

        Learned wiring's choices follow as further layers.
        """
        found = {}
        for layer, logits in enumerate([*self.network.logits, *self.network.choices]):
            state = self._torch.state.get(logits, {})
            if self._is_adam:
                for name, key in (("adam_m", "exp_avg"), ("adam_v", "exp_avg_sq")):
                    found[f"{name}.{layer}"] = state.get(key, torch.zeros_like(logits)).detach().cpu()
            else:
                tensors = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
                found |= {f"optimizer.{layer}.{key}": x.detach().cpu() for key, x in tensors.items()}
        return found

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        """Restores what optimizer_state returned after network.iteration steps."""
        if not moments:
            return
        for layer, logits in enumerate([*self.network.logits, *self.network.choices]):
            if self._is_adam:
                state = {
                    "step": torch.tensor(float(self.network.iteration)),
                    "exp_avg": moments[f"adam_m.{layer}"],
                    "exp_avg_sq": moments[f"adam_v.{layer}"],
                }
            else:
                prefix = f"optimizer.{layer}."
                state = {k.removeprefix(prefix): x for k, x in moments.items() if k.startswith(prefix)}
            # The step count stays on the CPU, where torch keeps it.
            self._torch.state[logits] = {
                key: value.clone() if value.dim() == 0 else value.clone().to(logits.device)
                for key, value in state.items()
            }

    def squared_gradients(self) -> Iterator[torch.Tensor]:
        """See lgn.kernels.Engine."""
        moments = self.optimizer_state() if self._is_adam else {}
        return (moments[f"adam_v.{layer}"] for layer in range(self.network.depth if moments else 0))
