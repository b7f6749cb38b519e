"""Few runs, looked at one by one: how many end above an accuracy, and how often one beats DLGN."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis import robust, survival
from analysis.conditions import Setting
from analysis.figures.panels import (
    WRAP,
    legend,
    method_legend,
    panel_row,
    percent_axis,
    seeds_text,
    setting_title,
    shown_methods,
)
from analysis.style import BAND, NEUTRAL, PAGE, method_style
from analysis.tidy import Tables

_ABOVE = 0.08
"""Of the height of a profile: how far apart the interquartile means stand above it."""

_APART = 8
"""Up to so many settings have a panel each. More are pooled, those of one recipe: budgets differ between recipes."""


def needs_methods(runs: pd.DataFrame) -> list[Setting]:
    """Settings where two methods share two seeds or more."""
    return robust.compared(runs)


def needs_dlgn(runs: pd.DataFrame) -> list[Setting]:
    """Settings where another method shares two seeds or more with DLGN."""
    return survival.with_target(runs)


def performance_profiles(tables: Tables, found: list[Setting]) -> Figure:
    """Share of runs that end above an accuracy; above the curves each method's interquartile mean."""
    pools = _profile_pools(found)
    figure, axes = _wide_rows(len(pools))
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
            if len(pool.settings) > 1:
                # Of one setting with few seeds it is all from the lowest to the highest: the interval above says it.
                panel.fill_between(thresholds, low, high, color=look.color, step="post", **BAND)
            mean_low, mean_high = robust.stratified_interval(runs, strata)
            height = 1 + _ABOVE * (len(scores) - number)
            panel.plot([mean_low, mean_high], [height, height], color=look.color, linewidth=1)
            panel.plot(robust.interquartile_mean(runs), height, color=look.color, marker=look.marker)
        panel.axhline(1, color=NEUTRAL, linewidth=0.5)
        panel.set_yticks(np.linspace(0, 1, 5))
        panel.set_ylim(-0.02, 1 + _ABOVE * (len(scores) + 1))
        panel.set_xlabel("final discrete test accuracy")
        panel.set_title(_pool_title(pool))
        panel.xaxis.set_major_locator(MaxNLocator(5))
        percent_axis(panel.xaxis)
        percent_axis(panel.yaxis)
    for panel in axes[::WRAP]:
        panel.set_ylabel("runs that end above it")
    note = Line2D([], [], color=NEUTRAL, marker="o", linewidth=1, label="interquartile mean, 95% interval")
    method_legend(figure, shown_methods(found), [note], lines=True)
    return figure


def probability_of_improvement(tables: Tables, found: list[Setting]) -> Figure:
    """How often each method ends above DLGN at equal seed, a panel a setting, then all settings together."""
    pairs = [_against_dlgn(tables.history, setting) for setting in found]
    methods = [method for method in shown_methods(found) if any(method in part for part in pairs)]
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
        axes.grid(False, axis="y")  # lines through the counts
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


def _against_dlgn(history: pd.DataFrame, setting: Setting) -> dict[str, np.ndarray]:
    """method -> final accuracies (2, n) of its runs and of DLGN's at equal seed."""
    [pool] = robust.pools([setting])
    scores, _ = robust.final_scores(history, pool)
    return {m: np.stack([own, scores["dlgn"]]) for m, own in scores.items() if m != "dlgn"}


def _profile_pools(found: list[Setting]) -> list[robust.Pool]:
    """What has a panel of its own: each setting or, of many, those of one data set, recipe and choice of methods."""
    if len(found) <= _APART:
        return [pool for setting in found for pool in robust.pools([setting])]
    together: dict[str, list[Setting]] = {}
    for setting in found:
        together.setdefault(setting.recipe_text, []).append(setting)
    return [pool for settings in together.values() for pool in robust.pools(settings)]


def _wide_rows(panels: int) -> tuple[Figure, list[Axes]]:
    """Wrapped, one panel a pool, as wide as a page even where it is alone: its steps are close together."""
    columns = min(panels, WRAP)
    rows = -(-panels // columns)
    figure = Figure(figsize=(PAGE, 2.3 * rows + 0.5), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for unused in axes[panels:]:
        unused.remove()
    return figure, axes[:panels]


def _pool_title(pool: robust.Pool) -> str:
    first, seeds = pool.settings[0], seeds_text(map(_common_runs, pool.settings))
    if len(pool.settings) == 1:
        return setting_title(first, [_common_runs(first)])
    lines = [f"{first.dataset}, {len(pool.settings)} settings", first.recipe_text, f"{seeds} each"]
    return "\n".join(filter(None, lines))


def _common_runs(setting: Setting) -> pd.DataFrame:
    """A row a seed that all compared methods ran."""
    methods = robust.methods_of(setting)
    runs = setting.conditions[methods[0]]
    return runs[runs["seed"].isin(robust.common_seeds(setting, methods))]
