"""The training methods: one file each. A file beside these is a method; those with an underscore are what they share.

docs/methods.md says what a file states.
"""

from lgn.methods._names import METHOD_LABELS, METHODS, method_label, method_name, spell_out_method
from lgn.methods._registry import method_of, noises, parametrizations
from lgn.methods._settings import BETA_1, BETA_2, MODES, NOISE_NAMES, Estimator, OptimizerSettings

__all__ = [
    "BETA_1", "BETA_2", "METHODS", "METHOD_LABELS", "MODES", "NOISE_NAMES", "Estimator", "OptimizerSettings",
    "method_label", "method_name", "method_of", "noises", "parametrizations", "spell_out_method",
]  # fmt: skip
