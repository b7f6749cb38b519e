"""torchlogix (https://github.com/ligerlac/torchlogix): what it has of our methods, by its own parametrisations."""

import importlib.util
import sys
import types
from pathlib import Path

import torch

from benchmarks.cases import Case, build_network
from benchmarks.implementations.training import training_step
from benchmarks.measure import Step
from lgn.network import LogicNetwork

METHODS = {
    "dlgn": ("raw", "soft"),
    "glgn": ("raw", "gumbel_hard"),
    "light_sigmoid": ("light", "soft"),
    "walsh_hard": ("warp", "hard"),
}
"""method -> its parametrisation and forward sampling."""

# Its 0.2.2 nests one triple-quoted f-string in another, which only Python 3.12 and later parse. Other inner quotes mean
# the same.
_NESTED = (('else f"""\n// Packs raw', "else f'''\n// Packs raw"), ('}}"""}"""', "}}'''}\"\"\""))


def import_torchlogix() -> types.ModuleType:
    """Imports the package. Before Python 3.12 the quotes are changed in memory, not in the installation."""
    if sys.version_info < (3, 12) and "torchlogix" not in sys.modules:
        spec = importlib.util.find_spec("torchlogix")
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(
                "torchlogix: is not installed; allowed: make benchmark, which installs it"
            )
        folder = spec.submodule_search_locations[0]
        path = Path(folder, "circuit.py")
        source = path.read_text(encoding="utf-8")
        for there, instead in _NESTED:
            source = source.replace(there, instead)
        module = types.ModuleType("torchlogix.circuit")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        exec(compile(source, path, "exec"), module.__dict__)
    return importlib.import_module("torchlogix")


def build_model(network: LogicNetwork, method: str) -> torch.nn.Sequential:
    """torchlogix layers with the network's wiring and parameters: bits (batch, inputs) to scores (batch, classes)."""
    layers = import_torchlogix().layers
    kind, sampling = METHODS[method]
    options = {"forward_sampling": sampling, "weight_init": "random", "temperature": 1.0}
    model = []
    for layer, logits in enumerate(network.logits):
        inputs = network.inputs if layer == 0 else network.width
        dense = layers.LogicDense(inputs, network.width, parametrization=kind, parametrization_kwargs=options)
        dense.weight.data.copy_(logits.detach())
        dense.connections.indices.copy_(network.wiring(layer))
        model.append(dense)
    return torch.nn.Sequential(*model, layers.GroupSum(network.classes, tau=network.group_temperature))


def build(case: Case, method: str, compiled: bool = False) -> Step:
    return training_step(case, build_model(build_network(case, method), method), compiled)
