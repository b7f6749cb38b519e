"""Logic gate networks: the settings of a run -> its record. Read the modules in the order of a run:

gates, randomness, noise, wiring, methods, network               the network
settings, run, data                                              the settings and the data
prepare, train, state, evaluate, metrics                         the training loop and its measurements
records, restore                                                 a record: writing it, and loading it again
kernels                                                          the same network, faster
cli, stopping, machine, memory, files, arrays, errors            everything else
"""

from importlib import import_module

__version__ = "1.0.0"

TRAINING_SEMANTICS = 1
"""Increased when the same settings give another training. Every run is then trained again."""

HISTORY_VERSION = 2
"""Increased when columns of history change, or their meaning. Checkpoints of another version are refused."""

RECORD_VERSION = 2
"""Increased when files or columns of a record change meaning. The analysis refuses to mix versions."""

_AT = dict(load="inference", DiscreteNetwork="inference", LogicNetwork="network", accelerate="kernels.module")


def __getattr__(name: str):
    """Imports a name in _AT on first use, as in `from lgn import load`: importing torch takes seconds."""
    if name not in _AT:
        raise AttributeError(f"module 'lgn' has no attribute {name!r}")
    return getattr(import_module(f"lgn.{_AT[name]}"), name)
