"""torch's optimisers by the names that a run gives them, and Adam with epsilon inside the root."""

import torch

from lgn.methods import BETA_1, BETA_2, OptimizerSettings


def torch_optimizer(logits: list[torch.nn.Parameter], settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of these logits, for gradients that carry settings.gradient_scale."""
    if settings.optimizer == "sgd":
        return torch.optim.SGD(logits, lr=settings.learning_rate)
    kind = {"adam": torch.optim.Adam, "adam_inside": AdamInside}[settings.optimizer]
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


def read_moments(
    optimizer: torch.optim.Optimizer, logits: list[torch.nn.Parameter]
) -> dict[str, torch.Tensor]:
    """adam_m.{layer} and adam_v.{layer}, on the CPU; nothing for an optimizer without moments."""
    moments = {}
    if isinstance(optimizer, torch.optim.SGD):
        return moments
    for layer, parameter in enumerate(logits):
        state = optimizer.state.get(parameter, {})
        for name, key in (("adam_m", "exp_avg"), ("adam_v", "exp_avg_sq")):
            moments[f"{name}.{layer}"] = state.get(key, torch.zeros_like(parameter)).detach().cpu()
    return moments


def load_moments(
    optimizer: torch.optim.Optimizer,
    logits: list[torch.nn.Parameter],
    moments: dict[str, torch.Tensor],
    steps: int,
) -> None:
    """Takes back what read_moments gave after so many steps."""
    for layer, parameter in enumerate(logits if moments else ()):
        optimizer.state[parameter] = {
            "step": torch.tensor(float(steps)),
            "exp_avg": moments[f"adam_m.{layer}"].clone().to(parameter.device),
            "exp_avg_sq": moments[f"adam_v.{layer}"].clone().to(parameter.device),
        }
