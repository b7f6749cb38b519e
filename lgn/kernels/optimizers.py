"""torch's optimisers by the names that a run gives them, and Adam with epsilon inside the root."""

from collections.abc import Iterator

import torch

from lgn.methods import BETA_1, BETA_2, OptimizerSettings
from lgn.network import LogicNetwork


def torch_optimizer(logits: list[torch.nn.Parameter], settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of these logits, for gradients that carry settings.gradient_scale."""
    if settings.name == "sgd":
        return torch.optim.SGD(logits, lr=settings.learning_rate)
    kind = {"adam": torch.optim.Adam, "adam_inside": AdamInside}[settings.name]
    return kind(logits, lr=settings.learning_rate, eps=settings.scaled_epsilon)


class AdamInside(torch.optim.Optimizer):
    """Adam whose step is lr * m / sqrt(v + eps^2), m and v being the bias-corrected moments: a control of epsilon."""

    def __init__(self, logits, lr: float, eps: float):
        super().__init__(logits, dict(lr=lr, eps=eps, betas=(BETA_1, BETA_2)))

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
                root = (square / (1 - beta_2**step) + group["eps"] ** 2).sqrt_()
                logits.addcdiv_(moment, root, value=-group["lr"] / (1 - beta_1**step))


class TorchOptimized:
    """What engines share that step with an optimizer of torch's: network, and _torch of torch_optimizer(...)."""

    network: LogicNetwork
    _torch: torch.optim.Optimizer

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """adam_m.{layer} and adam_v.{layer}, on the CPU; nothing for an optimizer without moments."""
        moments = {}
        if isinstance(self._torch, torch.optim.SGD):
            return moments
        for layer, logits in enumerate(self.network.logits):
            state = self._torch.state.get(logits, {})
            for name, key in (("adam_m", "exp_avg"), ("adam_v", "exp_avg_sq")):
                moments[f"{name}.{layer}"] = state.get(key, torch.zeros_like(logits)).detach().cpu()
        return moments

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        """Takes back what optimizer_state gave after network.iteration steps."""
        for layer, logits in enumerate(self.network.logits if moments else ()):
            self._torch.state[logits] = {
                "step": torch.tensor(float(self.network.iteration)),
                "exp_avg": moments[f"adam_m.{layer}"].clone().to(logits.device),
                "exp_avg_sq": moments[f"adam_v.{layer}"].clone().to(logits.device),
            }

    def squared_gradients(self) -> Iterator[torch.Tensor]:
        """See lgn.kernels.Engine."""
        moments = self.optimizer_state()
        return (moments[f"adam_v.{layer}"] for layer in range(len(moments) // 2))
