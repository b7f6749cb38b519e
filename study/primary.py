"""GLGN's temperature in the claims: if GLGN runs at several, the preset states one.

A rule that guessed it from the runs could change the claims when an ablation is added.
"""

from collections.abc import Iterable
from typing import Protocol

from lgn.errors import LgnError

METHOD_KEYS = ("parametrization", "options", "noise", "straight_through", "temperature")
"""Keys that define a method. The other keys define the setting, except the budget and the seed."""

BUDGET_KEYS = (
    "iterations",
    "time_budget_seconds",
    "evaluations",
    "train_evaluation_images",
    "test_evaluation_images",
)
"""Keys of a run's length and its evaluations: methods with different budgets can still be compared."""


class _Run(Protocol):
    """lgn.run.Run, which this module must not import."""

    @property
    def method(self) -> str: ...

    @property
    def temperature(self) -> float: ...

    def model_dump(self) -> dict: ...


def check_primary(primary: float | None, runs: Iterable[tuple[str, float]], where: str) -> None:
    """Raises LgnError if no GLGN among the runs, (method, temperature) each, has the primary temperature."""
    swept = {temperature for method, temperature in runs if method == "glgn"}
    if primary is not None and primary not in swept:
        allowed = _listed(swept) or "none, as no GLGN runs"
        raise LgnError(f"{where}: primary: {primary:g}; allowed: a temperature of GLGN: {allowed}")


def require_primary(primary: float | None, runs: Iterable[_Run], where: str) -> None:
    """Raises LgnError if a setting compares DLGN with GLGN at several temperatures, and none is the primary one."""
    settings: dict[tuple, dict[str, set[float]]] = {}
    for run in runs:
        if run.method in ("dlgn", "glgn"):
            settings.setdefault(setting_of(run), {}).setdefault(run.method, set()).add(run.temperature)
    for setting in settings.values():
        swept = setting.get("glgn", set())
        if "dlgn" in setting and len(swept) > 1 and primary not in swept:
            given = "is missing" if primary is None else f"{primary:g}"
            raise LgnError(
                f"{where}: primary: {given}; allowed: the temperature of GLGN that the claims are about, of "
                f"{_listed(swept)} that run beside one DLGN"
            )


def setting_of(run: _Run) -> tuple:
    """What a run has in common with those that it is compared with: all but method, budget and seed."""
    left_out = {*METHOD_KEYS, *BUDGET_KEYS, "seed"}
    return tuple(value for key, value in run.model_dump().items() if key not in left_out)


def _listed(temperatures: Iterable[float]) -> str:
    return ", ".join(f"{temperature:g}" for temperature in sorted(temperatures))
