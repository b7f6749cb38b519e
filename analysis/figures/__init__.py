"""The figures by name. A figure function takes the tidy tables and returns a matplotlib Figure.

Each has a `needs` that takes a runs table, or a design before anything ran, and returns the settings it draws;
none of them means that the figure is not in this preset.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis import style
from analysis.conditions import Setting, settings
from analysis.figures import (
    claim_map,
    class_gates,
    curvature,
    gates,
    gradient,
    landscape,
    learning_curves,
    lemma,
    maps,
    outcomes,
    panels,
    perturbation,
    survival,
    sweep,
    unused,
    use,
)
from analysis.survival import with_target
from analysis.tidy import Tables
from analysis.use import tuned_and_default
from lgn.errors import LgnError


@dataclass(frozen=True)
class Kind:
    """One figure: how it is drawn, which settings it draws, and what a preset must have for it, in words.

    probes: whose tables it draws, one of them at least. most: settings, beyond which its panels would fill pages.
    """

    draw: Callable[[Tables, list[Setting]], Figure]
    needs: Callable[[pd.DataFrame], list[Setting]]
    wants: str
    probes: tuple[str, ...] = ()
    most: int = panels.MOST_PANELS

    def measured(self, probes: Collection[str]) -> bool:
        """Whether these probes have what it draws."""
        return not self.probes or any(probe in probes for probe in self.probes)


_ANY_NUMBER = 10**9
_ROWS = panels.MOST_ROWS


def _of_probe(draw: Callable[[Tables, list[Setting]], Figure], *probes: str) -> Kind:
    return Kind(draw, settings, f"the probe {' or '.join(probes)}", probes, _ANY_NUMBER)


FIGURES: dict[str, Kind] = {
    "learning_curves": Kind(learning_curves.learning_curves, learning_curves.needs, "any run"),
    "outcomes": Kind(
        outcomes.outcomes,
        outcomes.needs,
        "five methods, or one method with two choices of other settings, at one depth and width",
        most=24,
    ),
    "sweep": Kind(
        sweep.sweep, sweep.needs, "a method at two temperatures, depths or widths", most=_ANY_NUMBER
    ),
    "time_to_target": Kind(
        survival.time_to_target, with_target, "the first method and another, two seeds in common"
    ),
    "map": Kind(
        maps.map_of_outcomes,
        maps.needs,
        "two methods at two depths and two widths, other settings equal",
        most=_ANY_NUMBER,
    ),
    "map_claims": Kind(claim_map.map_claims, claim_map.needs, "DLGN and GLGN in a map", most=_ANY_NUMBER),
    "unused_gates": Kind(unused.unused_gates, panels.several_rows, "any run", most=_ROWS),
    "gates_by_layer": Kind(gates.gates_by_layer, panels.several_rows, "any run", most=_ROWS),
    "gradient_by_layer": Kind(gradient.gradient_by_layer, gradient.needs_epsilons, "runs at two epsilons"),
    "takeoff_over_ratio": Kind(
        gradient.takeoff_over_ratio,
        gradient.needs_ratios,
        "the first method at two epsilons and at two values of three other settings",
        most=_ANY_NUMBER,
    ),
    "hessian_trace": _of_probe(curvature.hessian_trace, "hessian"),
    "lemma": _of_probe(lemma.lemma, "lemma"),
    "loss_surface": _of_probe(landscape.loss_surface, "plane"),
    "perturbation": _of_probe(perturbation.perturbation, "noise", "layers"),
    "gates_by_class": _of_probe(class_gates.gates_by_class, "class_gates"),
    "use_of_gates": _of_probe(use.use_of_gates, "use"),
    "use_tuned_and_default": Kind(
        use.use_tuned_and_default,
        tuned_and_default,
        "the probe use of methods at one setting of all and at one of their own",
        ("use",),
        _ANY_NUMBER,
    ),
}


def available_figures(runs: pd.DataFrame, probes: Collection[str] = ()) -> list[str]:
    """Names of the figures that a runs table, or a design, and its probes have the rows for."""
    # Many figures need the same, and of a large preset that takes a while to find out.
    found = {needs: len(needs(runs)) for needs in {kind.needs for kind in FIGURES.values()}}
    return [
        name for name, kind in FIGURES.items() if kind.measured(probes) and 0 < found[kind.needs] <= kind.most
    ]


def chosen_figures(
    stated: Sequence[str] | None, runs: pd.DataFrame, probes: Collection[str] = (), where: str = "config"
) -> list[str]:
    """The figures that a preset states, or all that its runs and probes allow where it states none.

    Raises LgnError for a name of no figure, and for one that they do not allow.
    """
    available = available_figures(runs, probes)
    for name in stated or ():
        if name not in available:
            kind = _kind(name, f"{where}: figures: ")
            raise LgnError(
                f"{where}: figures: {name}: these runs cannot give it; allowed: with {kind.wants}, or one of: "
                f"{', '.join(available)}"
            )
    return available if stated is None else list(dict.fromkeys(stated))


def drawn_probes(names: Collection[str], probes: Collection[str]) -> list[str]:
    """Those of the probes whose tables these figures draw."""
    return sorted({probe for name in names for probe in _kind(name).probes if probe in probes})


def sources() -> list[str]:
    """Paths of the modules that decide how tables, claims and figures look: inputs of the rules that make them."""
    return sorted(map(str, Path(__file__).parent.parent.rglob("*.py")))


def draw(name: str, tables: Tables) -> Figure:
    """The figure. Raises LgnError for an unknown name, or where the preset lacks its runs."""
    kind = _kind(name)
    measured = not kind.probes or kind.measured(tables.probes)
    found = kind.needs(tables.runs) if measured else []
    if not found:
        raise LgnError(
            f"{name}: not in this preset, which has no runs for it; allowed: a preset with {kind.wants}"
        )
    return kind.draw(tables, found)


def write_figure(
    name: str, tables: Tables, folder: Path, formats: Sequence[str] = ("pdf", "png"), **look
) -> list[Path]:
    """Draws a figure and writes it in these formats; returns the files. look: keywords of style.styled."""
    with style.styled(**look):
        return style.save(draw(name, tables), name, folder, formats)


def _kind(name: str, where: str = "") -> Kind:
    if name not in FIGURES:
        raise LgnError(f"{where}{name}: is no figure; allowed: {', '.join(FIGURES)}")
    return FIGURES[name]
