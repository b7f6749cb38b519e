"""Detects changes of a network that its engine does not follow: wiring, estimator, group_temperature."""

from dataclasses import replace

import numpy as np
import torch

from lgn.arrays import stacked_wiring
from lgn.errors import LgnError
from lgn.network import LogicNetwork


class Frozen:
    """Remembers a network's wiring, its estimator without the temperature, and its group_temperature.

    Raises LgnError for an impossible wiring. A check takes microseconds: as in torch, it compares the tensors' ids and
    version counters, which miss writes through .data or NumPy.
    """

    def __init__(self, network: LogicNetwork):
        self.network, self.wiring = network, stacked_wiring(network)
        self.names = [f"wiring_{layer}" for layer in range(network.depth)]
        self._remember()

    def changed(self) -> str | None:
        """The name of what has changed; None if nothing has."""
        network = self.network
        if network.group_temperature != self.group_temperature:
            return "group_temperature"
        if network.estimator is not self.estimator and _untempered(network) != self.untempered:
            return "estimator"
        if self._seen() != self.seen:
            if not np.array_equal(stacked_wiring(network), self.wiring):
                return "wiring"
            self._remember()  # New tensors with equal values, for example from a checkpoint.
        return None

    def require(self) -> None:
        """Raises LgnError if something has changed."""
        if name := self.changed():
            raise LgnError(f"{name}: has changed since the engine was made; allowed: a new engine")

    def _remember(self) -> None:
        # Keep the tensors, so that no other object gets their ids.
        self.tensors = [getattr(self.network, name) for name in self.names]
        self.seen = self._seen()
        self.estimator, self.untempered = self.network.estimator, _untempered(self.network)
        self.group_temperature = self.network.group_temperature

    def _seen(self) -> list[tuple[int, int]]:
        buffers = self.network._buffers  # Faster than getattr.
        return [(id(x), _version(x)) for x in map(buffers.__getitem__, self.names)]


def require_shared(network: LogicNetwork, addresses: list[int]) -> None:
    """Raises LgnError if logits have left the addresses in memory where an engine trains them."""
    # ParameterList's own iterator would take longer than the rest of this function.
    if [logits.data_ptr() for logits in network.logits._parameters.values()] != addresses:
        raise LgnError(
            "logits: have moved in memory since the engine was made; allowed: changes in place, or a new engine"
        )


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _untempered(network: LogicNetwork):
    return replace(network.estimator, temperature=1.0)
