"""Few runs, looked at one by one: how many end above an accuracy, how often one beats DLGN, how many reach its best."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from analysis import comparisons, robust, survival
from analysis.claims import NEAR_TARGET
from analysis.conditions import Setting
from analysis.figures.panels import (
    WRAP,
    count_axis,
    grid,
    legend,
    method_legend,
    panel_row,
    percent_axis,
    seeds_text,
    setting_title,
    shown_methods,
)
from analysis.style import BAND, NEUTRAL, PAGE, MethodStyle, method_style
from analysis.tidy import Tables

_ABOVE = 0.08
"""Of the height of a profile: how far apart the interquartile means stand above it."""

_TITLE = 30
"""Characters of a panel's title that settings may take, beyond it they are counted."""


def needs_methods(runs: pd.DataFrame) -> list[Setting]:
    """Settings where two methods share two seeds or more."""
    return robust.compared(runs)


def needs_dlgn(runs: pd.DataFrame) -> list[Setting]:
    """Settings where another method shares two seeds or more with DLGN."""
    return survival.with_target(runs)


def performance_profiles(tables: Tables, found: list[Setting]) -> Figure:
    """Share of runs that end above an accuracy; above the curves each method's interquartile mean."""
    pools = robust.pools(found)
    figure, axes = _wide_row(len(pools))
    for panel, pool in zip(axes, pools, strict=True):
        scores, strata = robust.final_scores(tables.history, pool)
        values = np.unique(np.concatenate(list(scores.values())))
        margin = 0.03 * (values[-1] - values[0]) + 1e-3
        # Steps change at scores alone; before the lowest every run is above.
        thresholds = np.concatenate([[values[0] - margin], values, [values[-1] + margin]])
        for number, (method, runs) in enumerate(scores.items()):
            look = method_style(method)
            share, low, high = robust.performance_profile(runs, strata, thresholds)
            panel.plot(thresholds, share, color=look.color, linestyle=look.line, drawstyle="steps-post")
            panel.fill_between(thresholds, low, high, color=look.color, step="post", **BAND)
            mean_low, mean_high = robust.stratified_interval(runs, strata)
            height = 1 + _ABOVE * (len(scores) - number)
            panel.plot([mean_low, mean_high], [height, height], color=look.color, linewidth=1)
            panel.plot(robust.interquartile_mean(runs), height, color=look.color, marker=look.marker)
        panel.set_yticks(np.linspace(0, 1, 6))
        panel.set_ylim(-0.02, 1 + _ABOVE * (len(scores) + 1))
        panel.set_xlabel("final discrete test accuracy")
        panel.set_title(_pool_title(pool))
        percent_axis(panel.xaxis, None)
        percent_axis(panel.yaxis)
    axes[0].set_ylabel("runs that end above it")
    note = Line2D([], [], color=NEUTRAL, marker="o", linewidth=1, label="interquartile mean, 95% interval")
    method_legend(figure, shown_methods(found), [note], lines=True)
    return figure


def probability_of_improvement(tables: Tables, found: list[Setting]) -> Figure:
    """How often each method ends above DLGN at equal seed, a panel a setting, then all settings together."""
    methods = [method for method in shown_methods(found) if method != "dlgn"]
    pairs = [_against_dlgn(tables.history, setting) for setting in found]
    titles = [setting_title(setting, [_common_runs(setting)]) for setting in found]
    if len(found) > 1:
        pairs.append({m: np.hstack([part[m] for part in pairs if m in part]) for m in methods})
        titles.append(f"the {len(found)} settings together\n{seeds_text(map(_common_runs, found))} each")
    figure, panels = panel_row(titles, height=0.7 + 0.32 * len(methods))
    for axes, part, title in zip(panels, pairs, titles, strict=True):
        for row, method in enumerate(methods):
            if method not in part:
                continue
            look, against = method_style(method), robust.probability_of_improvement(*part[method])
            axes.plot([against.low, against.high], [row, row], color=look.color)
            axes.plot(against.value, row, color=look.color, marker=look.marker, markersize=5)
            axes.annotate(f"{against.wins:g} of {against.pairs}", (1.1, row), va="center", fontsize=7)
        axes.axvline(0.5, color=NEUTRAL, linewidth=0.8, linestyle=":")
        axes.set_xlim(-0.05, 1.45)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_yticks(range(len(methods)), [method_style(method).label for method in methods])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.set_xlabel("P(more accurate than DLGN)")
        axes.set_title(title)
        percent_axis(axes.xaxis)
    panels[0].set_ylabel("method")
    note = [
        Line2D([], [], color=NEUTRAL, marker="o", label="share of pairs won, 95% interval"),
        Line2D([], [], color=NEUTRAL, linewidth=0.8, linestyle=":", label="no difference"),
    ]
    legend(figure, note)
    return figure


def time_to_target(tables: Tables, found: list[Setting]) -> Figure:
    """Kaplan-Meier: share of runs that have reached DLGN's best accuracy, and nine tenths of it, over iterations."""
    figure, axes = grid(len(found), 2, height=2.0)
    for row, setting in zip(axes, found, strict=True):
        best, methods = survival.target(tables.history, setting), robust.methods_of(setting)
        end = max(setting.conditions[method]["final_iteration"].max() for method in methods)
        for panel, share in zip(row, (1, NEAR_TARGET), strict=True):
            times = [
                survival.times_to_target(tables.history, setting.conditions[method], share * best)
                for method in methods
            ]
            first = min(own.time.min() for own in times)
            for number, (method, own) in enumerate(zip(methods, times, strict=True)):
                # Lines on one level would hide each other.
                shift = 0.012 * (number - (len(methods) - 1) / 2)
                _draw_steps(panel, own, end, method_style(method), shift)
            count_axis(panel)
            panel.set_xlim(left=max(1, min(first / 2, end / 20)))
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.set_xlabel("iterations")
            panel.set_ylim(-0.05, 1.05)
            percent_axis(panel.yaxis)
            goal = "DLGN's best" if share == 1 else f"{share:.0%} of it"
            panel.set_ylabel(f"runs that have reached\n{goal}, {share * best:.1%}")
        title = setting_title(setting, [setting.conditions[method] for method in methods])
        unlearnt = best < comparisons.learnt_accuracy(setting.dataset)
        row[0].set_title(f"{title}\nDLGN has not learnt" if unlearnt else title)
    censored = Line2D(
        [], [], color=NEUTRAL, marker="|", markersize=7, linestyle="none", label="not reached: budget"
    )
    method_legend(figure, shown_methods(found), [censored], lines=True)
    return figure


def _against_dlgn(history: pd.DataFrame, setting: Setting) -> dict[str, np.ndarray]:
    """method -> final accuracies (2, n) of its runs and of DLGN's at equal seed."""
    [pool] = robust.pools([setting])
    scores, _ = robust.final_scores(history, pool)
    return {m: np.stack([own, scores["dlgn"]]) for m, own in scores.items() if m != "dlgn"}


def _draw_steps(panel: Axes, times: survival.Times, end: float, look: MethodStyle, shift: float) -> None:
    """end: to where a curve goes on once all runs are there; shift: of the line, up."""
    curve = survival.kaplan_meier(times)
    share = {"color": look.color, "linestyle": look.line, "drawstyle": "steps-post"}
    last = end if times.reached.all() else curve.time[-1]
    panel.plot(np.append(curve.time, last), np.append(curve.share, curve.share[-1]) + shift, **share)
    there = np.append(curve.share, curve.share[-1]) > 0
    time, low, high = (np.append(x, y)[there] for x, y in (
        (curve.time, last), (curve.low, curve.low[-1]), (curve.high, curve.high[-1])
    ))  # fmt: skip
    # Not before the first run is there: the bands of all methods would cover each other.
    panel.fill_between(time, low, high, step="post", color=look.color, **BAND)
    steps = np.diff(curve.share, prepend=0) > 0
    marks = {"color": look.color, "linestyle": "none"}
    panel.plot(curve.time[steps], curve.share[steps] + shift, marker=look.marker, markersize=3.5, **marks)
    lost = np.searchsorted(curve.time, times.time[~times.reached])
    panel.plot(curve.time[lost], curve.share[lost] + shift, marker="|", markersize=8, **marks)


def _wide_row(panels: int) -> tuple[Figure, list[Axes]]:
    """One panel a pool, as wide as a page even where it is alone: its steps are close together."""
    columns = min(panels, WRAP)
    rows = -(-panels // columns)
    figure = Figure(figsize=(PAGE, 2.6 * rows + 0.5), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for unused in axes[panels:]:
        unused.remove()
    return figure, axes[:panels]


def _pool_title(pool: robust.Pool) -> str:
    seeds = seeds_text(map(_common_runs, pool.settings))
    names = [f"{s.depth} x {s.width:,} {s.recipe_text}".strip() for s in pool.settings]
    shown = ", ".join(names) if len(", ".join(names)) <= _TITLE else f"{len(names)} settings"
    return f"{pool.settings[0].dataset}, {shown}\n{seeds} each"


def _common_runs(setting: Setting) -> pd.DataFrame:
    """A row a seed that all compared methods ran."""
    methods = robust.methods_of(setting)
    runs = setting.conditions[methods[0]]
    return runs[runs["seed"].isin(robust.common_seeds(setting, methods))]
