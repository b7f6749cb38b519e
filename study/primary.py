"""The temperature of GLGN that claims are about: where it runs at several, the preset says which.

A rule that guessed it, from seeds and company, would move the claims when an ablation is added.
"""

from collections.abc import Iterable
from typing import Protocol

from lgn.errors import LgnError

METHOD_KEYS = ("parametrization", "options", "noise", "straight_through", "temperature")
"""What makes a method; a setting is all else that shapes a training."""

BUDGET_KEYS = (
    "iterations",
    "time_budget_seconds",
    "evaluations",
    "train_evaluation_images",
    "test_evaluation_images",
)
"""How long a run goes on and how often it is looked at: methods with unlike budgets still compare."""


class _Run(Protocol):
    """lgn.run.Run, which this module must not import."""

    method: str
    temperature: float

    def model_dump(self) -> dict: ...


def check_primary(primary: float | None, runs: Iterable[tuple[str, float]], where: str) -> None:
    """Raises LgnError where no GLGN among runs, (method, temperature) each, has the temperature stated for it."""
    swept = {temperature for method, temperature in runs if method == "glgn"}
    if primary is not None and primary not in swept:
        allowed = _listed(swept) or "none, as no GLGN runs"
        raise LgnError(f"{where}: primary: {primary:g}; allowed: a temperature of GLGN: {allowed}")


def require_primary(primary: float | None, runs: Iterable[_Run], where: str) -> None:
    """Raises LgnError where a setting compares DLGN with GLGN at several temperatures of which none is the primary."""
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
