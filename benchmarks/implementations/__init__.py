"""The compared implementations. Each builds a step of a case: one iteration with loss and Adam on random batches."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from benchmarks.cases import Case
from benchmarks.implementations import four_coefficients, ours, sixteen_gates, torchlogix
from benchmarks.measure import Step

OURS = "lgn-bench"
SOFTMAX = ("glgn", "dlgn")
"""What the torch code beside this package computes."""


@dataclass(frozen=True)
class Implementation:
    """One way to train a method. label: its name in figures. build(case) returns its step."""

    library: str
    method: str
    variant: str
    build: Callable[[Case], Step]

    @property
    def name(self) -> str:
        return f"{self.library} {self.method} {self.variant}"


def implementations(case: Case) -> list[Implementation]:
    """All implementations, ours first. On a GPU ours use GPU kernels; the others use the same torch code."""
    backend = "numba" if case.device == "cpu" else "triton"
    found = [
        Implementation(OURS, method, backend, partial(ours.build, method=method, backend=backend))
        for method in case.methods
    ]
    for library, module, variants, methods in (
        ("torchlogix", torchlogix, ("eager", "compiled"), torchlogix.METHODS),
        # Not compiled: this stands for the code as published.
        ("sixteen_gates", sixteen_gates, ("eager",), SOFTMAX),
        ("four_coefficients", four_coefficients, ("eager", "compiled"), SOFTMAX),
    ):
        if library == "torchlogix" and find_spec("torchlogix") is None:
            continue
        found += [
            Implementation(
                library,
                method,
                variant,
                partial(module.build, method=method, compiled=variant == "compiled"),
            )
            for method in case.methods
            if method in methods
            for variant in variants
        ]
    return found
