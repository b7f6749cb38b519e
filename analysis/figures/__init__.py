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
    entropies,
    fairness,
    gates,
    gradient,
    grids,
    landscape,
    learning_curves,
    lemma,
    over,
    panels,
    perturbation,
    recipes,
    robust,
    speed,
    straight_through,
    survival,
    sweeps,
    use,
)
from analysis.tidy import Tables
from lgn.errors import LgnError


@dataclass(frozen=True)
class Kind:
    """One figure: how it is drawn, which settings it draws, and what a preset must have for it, in words.

    probe: the probe whose table it draws, if any. most: settings, beyond which its panels would fill pages.
    """

    draw: Callable[[Tables, list[Setting]], Figure]
    needs: Callable[[pd.DataFrame], list[Setting]]
    wants: str
    probe: str = ""
    most: int = panels.MOST_PANELS


_ANY_NUMBER = 10**9
_MAP = "DLGN and GLGN at two depths and two widths each, at one recipe"

FIGURES: dict[str, Kind] = {
    "accuracy_over_iterations": Kind(
        learning_curves.accuracy_over_iterations, learning_curves.needs, "any run"
    ),
    "accuracy_over_seconds": Kind(learning_curves.accuracy_over_seconds, learning_curves.needs, "any run"),
    "gap_over_training": Kind(learning_curves.gap_over_training, learning_curves.needs, "any run"),
    "speed_ratio": Kind(speed.speed_ratio, fairness.needs, "DLGN and GLGN with seeds in common"),
    "fair_comparison": Kind(fairness.fair_comparison, fairness.needs, "DLGN and GLGN with seeds in common"),
    "time_to_target": Kind(
        survival.time_to_target, robust.needs_dlgn, "DLGN and another method, two seeds in common"
    ),
    "probability_of_improvement": Kind(
        robust.probability_of_improvement, robust.needs_dlgn, "DLGN and another method, two seeds in common"
    ),
    "performance_profiles": Kind(
        robust.performance_profiles,
        robust.needs_methods,
        "two methods with two seeds in common",
        most=_ANY_NUMBER,
    ),
    "map_best": Kind(grids.map_best, grids.needs, _MAP, most=_ANY_NUMBER),
    "map_accuracy": Kind(grids.map_accuracy, grids.needs, _MAP, most=_ANY_NUMBER),
    "map_claims": Kind(claim_map.map_claims, grids.needs, _MAP, most=_ANY_NUMBER),
    "map_takeoff": Kind(grids.map_takeoff, grids.needs, _MAP, most=_ANY_NUMBER),
    "map_gap": Kind(grids.map_gap, grids.needs, _MAP, most=_ANY_NUMBER),
    "map_unused": Kind(grids.map_unused, grids.needs, _MAP, most=_ANY_NUMBER),
    "temperature_sweep": Kind(
        sweeps.temperature_sweep, sweeps.needs_temperatures, "a method at two temperatures"
    ),
    "noise_types": Kind(sweeps.noise_types, sweeps.needs_noises, "two kinds of noise at one temperature"),
    "straight_through": Kind(
        straight_through.straight_through,
        straight_through.needs,
        "a noise at one temperature with straight_through on and off",
    ),
    "recipes": Kind(
        recipes.recipes, recipes.needs, "a method at two recipes, one depth and one width", most=24
    ),
    "gradient_by_layer": Kind(gradient.gradient_by_layer, gradient.needs_epsilons, "runs at two epsilons"),
    "takeoff_over_ratio": Kind(
        gradient.takeoff_over_ratio,
        gradient.needs_ratios,
        "DLGN at two epsilons and at two values of three other settings",
        most=_ANY_NUMBER,
    ),
    "over_depth": Kind(
        over.over_depth,
        over.needs_depths,
        "DLGN and GLGN at two depths, one width and one budget",
        most=16,
    ),
    "over_width": Kind(
        over.over_width,
        over.needs_widths,
        "DLGN and GLGN at two widths, one depth and one budget",
        most=16,
    ),
    "entropies_by_layer": Kind(entropies.entropies_by_layer, learning_curves.needs, "any run"),
    "unused_share": Kind(entropies.unused_share, learning_curves.needs, "any run"),
    "unused_threshold": Kind(entropies.unused_threshold, learning_curves.needs, "any run"),
    "gates_by_layer": Kind(gates.gates_by_layer, learning_curves.needs, "any run"),
    "constant_gates": Kind(gates.constant_gates, gates.needs_temperatures, "a method at two temperatures"),
    "hessian_trace": Kind(
        curvature.hessian_trace, settings, "the probe hessian", "hessian", most=_ANY_NUMBER
    ),
    "lemma": Kind(lemma.lemma, settings, "the probe lemma", "lemma", most=_ANY_NUMBER),
    "loss_surface": Kind(landscape.loss_surface, settings, "the probe plane", "plane", most=_ANY_NUMBER),
    "perturbation": Kind(perturbation.perturbation, settings, "the probe noise", "noise", most=_ANY_NUMBER),
    "layerwise_discretization": Kind(
        perturbation.layerwise_discretization, settings, "the probe layers", "layers", most=_ANY_NUMBER
    ),
    "gates_by_class": Kind(
        class_gates.gates_by_class, settings, "the probe class_gates", "class_gates", most=_ANY_NUMBER
    ),
    "use_of_gates": Kind(use.use_of_gates, settings, "the probe use", "use", most=_ANY_NUMBER),
}


def available_figures(runs: pd.DataFrame, probes: Collection[str] = ()) -> list[str]:
    """Names of the figures that a runs table, or a design, and its probes have the rows for."""
    # Many figures need the same, and of a large preset that takes a while to find out.
    found = {needs: len(needs(runs)) for needs in {kind.needs for kind in FIGURES.values()}}
    return [
        name
        for name, kind in FIGURES.items()
        if (not kind.probe or kind.probe in probes) and 0 < found[kind.needs] <= kind.most
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


def drawn_probes(names: Collection[str]) -> list[str]:
    """The probes whose tables these figures draw."""
    return sorted({_kind(name).probe for name in names} - {""})


def sources() -> list[str]:
    """Paths of the modules that decide how tables, claims and figures look: inputs of the rules that make them."""
    return sorted(map(str, Path(__file__).parent.parent.rglob("*.py")))


def draw(name: str, tables: Tables) -> Figure:
    """The figure. Raises LgnError for an unknown name, or where the preset lacks its runs."""
    kind = _kind(name)
    measured = not kind.probe or kind.probe in tables.probes
    found = kind.needs(tables.runs) if measured else []
    if not found:
        raise LgnError(
            f"{name}: not in this preset, which has no runs for it; allowed: a preset with {kind.wants}"
        )
    return kind.draw(tables, found)


def write_figure(name: str, tables: Tables, folder: Path) -> list[Path]:
    """Draws a figure and writes it as pdf and png; returns the files."""
    with style.styled():
        return style.save(draw(name, tables), name, folder)


def _kind(name: str, where: str = "") -> Kind:
    if name not in FIGURES:
        raise LgnError(f"{where}{name}: is no figure; allowed: {', '.join(FIGURES)}")
    return FIGURES[name]
