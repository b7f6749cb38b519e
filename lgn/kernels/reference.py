"""The torch backend: the network's own forward, autograd and torch's Adam. All other backends are tested against it."""

import numpy as np
import torch

from lgn.encoding import encode
from lgn.kernels import LOSS_UNIT
from lgn.memory import EVALUATION_IMAGES
from lgn.network import LogicNetwork


class ReferenceEngine:
    """Trains and evaluates a LogicNetwork on one device (see lgn.kernels.Engine)."""

    name = "torch"
    together, waited = 1, 0.0

    def __init__(
        self,
        network: LogicNetwork,
        thresholds: np.ndarray,
        learning_rate: float,
        device: str,
        optimizer: str = "adam",
    ):
        self.network = network.to(device)
        self.device = device
        self.thresholds = torch.from_numpy(thresholds).to(device)
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
        self.optimizer = kind(network.parameters(), lr=learning_rate)
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self._loss_count = 0

    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        self.network.train()
        scores = self.network(self._encode(pixels))
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels).to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self._loss_sum += torch.round(loss.detach().double() / LOSS_UNIT) * LOSS_UNIT
        self._loss_count += 1

    def take_losses(self) -> tuple[float, int]:
        taken = float(self._loss_sum), self._loss_count
        self._loss_sum.zero_()
        self._loss_count = 0
        return taken

    @torch.no_grad()
    def scores(self, pixels: np.ndarray, mode: str, draw: int = 0) -> np.ndarray:
        self.network.eval()
        blocks = [pixels[i : i + EVALUATION_IMAGES] for i in range(0, len(pixels), EVALUATION_IMAGES)]
        return np.concatenate([self.network(self._encode(x), mode, draw).cpu().numpy() for x in blocks])

    def synchronize(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        moments = {}
        if isinstance(self.optimizer, torch.optim.SGD):
            return moments
        for layer, logits in enumerate(self.network.logits):
            state = self.optimizer.state.get(logits, {})
            moments[f"adam_m.{layer}"] = state.get("exp_avg", torch.zeros_like(logits)).detach().cpu()
            moments[f"adam_v.{layer}"] = state.get("exp_avg_sq", torch.zeros_like(logits)).detach().cpu()
        return moments

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        for layer, logits in enumerate(self.network.logits if moments else ()):
            self.optimizer.state[logits] = {
                "step": torch.tensor(float(self.network.iteration)),
                "exp_avg": moments[f"adam_m.{layer}"].clone().to(self.device),
                "exp_avg_sq": moments[f"adam_v.{layer}"].clone().to(self.device),
            }

    def _encode(self, pixels: np.ndarray) -> torch.Tensor:
        return encode(torch.from_numpy(pixels).to(self.device), self.thresholds)
