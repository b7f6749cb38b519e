"""The training methods, one file each. Files that begin with an underscore are shared code.

docs/methods.md says what a method's file contains.
"""

from lgn.methods._names import METHOD_LABELS, METHODS, method_label, method_name, spell_out_method
from lgn.methods._registry import method_of, noises, parametrizations
from lgn.methods._settings import BETA_1, BETA_2, MODES, NOISE_NAMES, Estimator, OptimizerSettings

__all__ = [
    "BETA_1", "BETA_2", "METHODS", "METHOD_LABELS", "MODES", "NOISE_NAMES", "Estimator", "OptimizerSettings",
    "method_label", "method_name", "method_of", "noises", "parametrizations", "spell_out_method",
]  # fmt: skip
