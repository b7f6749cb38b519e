"""M-STE (Kim 2026, arXiv:2605.08657): c0..c3 themselves are trained, the forward snaps them to the nearest gate.

The gradient of c is that of the snapped coefficients, delta * (1, a, b, ab).
"""

from lgn.methods._method import ANY
from lgn.methods.covjac import CovJac


class MSte(CovJac):
    name, label = "mste", "M-STE"
    applies = {"straight_through": (True,), "init_scale": ANY}
    named = {"mste": ("M-STE", {})}

    def coefficients(self, parameters, draw):
        return parameters
