"""Constants that decide what may stand together. Apart, so that reading them loads nothing heavy."""

TRAINING_SEMANTICS = 1
"""Raised when the same settings come to mean another training; every run is then trained anew."""

PROBE_SEMANTICS = 3
"""Raised when a probe measures something else, or more of it; every probe is then taken anew."""

HISTORY_VERSION = 2
"""Raised when rows of history get other columns or mean something else; checkpoints with other rows are refused."""

RECORD_VERSION = 2
"""Raised when files or columns of a record change meaning; analysis refuses to mix versions."""
