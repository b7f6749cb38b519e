"""Logic gate networks: one run of settings -> one record. Read it in the order of a run:

gates, randomness, noise, wiring, methods, network               what is trained
settings, run, data                                              what one training is, and on what
prepare, train, state, evaluate, metrics                         the loop, and what it measures
records, restore                                                 what it leaves, and back
kernels                                                          the same network, faster
cli, stopping, machine, memory, files, arrays, errors            what is around it

The versions below say what may stand together.
"""

from importlib import import_module

__version__ = "0.1.0"

TRAINING_SEMANTICS = 1
"""Raised when the same settings come to mean another training; every run is then trained anew."""

HISTORY_VERSION = 2
"""Raised when rows of history get other columns or mean something else; checkpoints with other rows are refused."""

RECORD_VERSION = 2
"""Raised when files or columns of a record change meaning; analysis refuses to mix versions."""

_HOMES = dict(
    load="inference", DiscreteNetwork="inference", LogicNetwork="network", accelerate="kernels.module"
)


def __getattr__(name: str):
    """What _HOMES has, as in `from lgn import load`, imported when it is asked for: torch takes seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lgn' has no attribute {name!r}")
    return getattr(import_module(f"lgn.{_HOMES[name]}"), name)
