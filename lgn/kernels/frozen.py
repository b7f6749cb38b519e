"""What an engine has taken over from its network for good, and whether the network still has it."""

from dataclasses import replace

import numpy as np
import torch

from lgn.arrays import stacked_wiring
from lgn.errors import LgnError
from lgn.network import LogicNetwork


class Frozen:
    """Wiring, estimator but for its temperature, and group_temperature of a network as they are now.

    Raises LgnError for an impossible wiring. A look is microseconds: as torch does itself, it goes by which tensors
    there are and by their version counters, which see all writes but those through .data or NumPy.
    """

    def __init__(self, network: LogicNetwork):
        self.network, self.wiring = network, stacked_wiring(network)
        self.names = [f"wiring_{layer}" for layer in range(network.depth)]
        self._remember()

    def changed(self) -> str | None:
        """The name of what the network has another of now."""
        network = self.network
        if network.group_temperature != self.group_temperature:
            return "group_temperature"
        if network.estimator is not self.estimator and _untempered(network) != self.untempered:
            return "estimator"
        if self._seen() != self.seen:
            if not np.array_equal(stacked_wiring(network), self.wiring):
                return "wiring"
            self._remember()  # Others that say the same, as from a checkpoint.
        return None

    def require(self) -> None:
        """Raises LgnError where something has changed."""
        if name := self.changed():
            raise LgnError(f"{name}: is not what it was when the engine was made; allowed: a new engine")

    def _remember(self) -> None:
        # The tensors themselves too, so that nothing else gets their ids.
        self.tensors = [getattr(self.network, name) for name in self.names]
        self.seen = self._seen()
        self.estimator, self.untempered = self.network.estimator, _untempered(self.network)
        self.group_temperature = self.network.group_temperature

    def _seen(self) -> list[tuple[int, int]]:
        buffers = self.network._buffers  # As getattr would find them, but at once.
        return [(id(x), _version(x)) for x in map(buffers.__getitem__, self.names)]


def require_shared(network: LogicNetwork, pointers: list[int]) -> None:
    """Raises LgnError where logits have left the memory, at these addresses, that an engine trains them in."""
    # ParameterList's own iterator would take longer than all else here.
    if [logits.data_ptr() for logits in network.logits._parameters.values()] != pointers:
        raise LgnError(
            "logits: have memory of their own since the engine was made; allowed: changes in place, or a new engine"
        )


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _untempered(network: LogicNetwork):
    return replace(network.estimator, temperature=1.0)
