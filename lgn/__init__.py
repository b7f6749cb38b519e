"""Logic gate networks: one run of settings -> one record. Data flows one way:
run -> data -> network -> kernels -> train -> record. The versions below say what may stand together."""

__version__ = "0.1.0"

TRAINING_SEMANTICS = 1
"""Raised when the same settings come to mean another training; every run is then trained anew."""

HISTORY_VERSION = 2
"""Raised when rows of history get other columns or mean something else; checkpoints with other rows are refused."""

RECORD_VERSION = 2
"""Raised when files or columns of a record change meaning; analysis refuses to mix versions."""
