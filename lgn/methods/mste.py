"""M-STE (Kim 2026, arXiv:2605.08657): c0..c3 are the parameters, and the forward pass snaps them to the nearest gate.

c gets the gradient of the snapped coefficients, delta * (1, a, b, ab).
"""

from lgn.methods._method import ANY
from lgn.methods.covjac import CovJac


class MSte(CovJac):
    name, label = "mste", "M-STE"
    applies = {"straight_through": (True,), "init_scale": ANY}
    named = {"mste": ("M-STE", {})}

    def coefficients(self, parameters, draw):
        return parameters
