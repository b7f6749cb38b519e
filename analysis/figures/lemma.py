"""From which temperature on Lemma 1 of the paper holds: its expansion's error beside its trace term."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator

from analysis.conditions import Setting
from analysis.figures.panels import grid, row_label, seeds_text, shown_methods
from analysis.figures.probed import by_seed, probed_settings, rows_at
from analysis.statistics import bootstrap, mean_interval
from analysis.style import BAND, NEUTRAL, method_style
from analysis.tidy import Tables
from lgn.errors import LgnError

SMALL_ERROR = 0.1
"""Of the trace term: where the expansion's error is below it, the lemma is called a good approximation."""

RESOLVED = 2.0
"""Standard errors from 0 beyond which an error counts as different from 0."""

ORDER = 3
"""Of the error in 1 / temperature, by the lemma."""

_HOLDS = "#009E73"


def lemma(tables: Tables, found: list[Setting]) -> Figure:
    """Lemma 1's expansion against the temperature, at the start and end of training.

    For each setting a row with the sizes of its error and of its trace term, and one with the first over the second.
    """
    shown, rows = probed_settings(tables, "lemma")
    methods = shown_methods(shown)
    figure, axes = grid(2 * len(shown), 1 + len(methods), height=2.2, share_y="row")
    values = np.abs(rows[["error", "trace_term"]].to_numpy())
    values = values[values > 0]
    for sizes, ratios, setting in zip(axes[::2], axes[1::2], shown, strict=True):
        by_method = setting.conditions
        # At equal seed all methods start from the same network.
        first = pd.concat(by_method.values()).drop_duplicates("seed")
        drawn: list[tuple[pd.DataFrame, str, str] | None] = [
            (rows_at(rows, first, "first"), NEUTRAL, f"at initialization\n{seeds_text([first])}")
        ]
        for method in methods:
            if method in by_method:
                look, condition = method_style(method), by_method[method]
                title = f"{look.label} trained\n{seeds_text([condition])}"
                drawn.append((rows_at(rows, condition, "last"), look.color, title))
            else:
                drawn.append(None)
        for size, ratio, part in zip(sizes, ratios, drawn, strict=True):
            if part is None:
                size.set_axis_off()
                ratio.set_axis_off()
                continue
            of_part, color, title = part
            _draw_lemma(size, ratio, of_part, color)
            size.set_title(title)
            for panel in (size, ratio):
                for method, condition in by_method.items():
                    own = float(condition["temperature"].iloc[0])
                    panel.axvline(own, color=method_style(method).color, linestyle=":", linewidth=1.2)
            size.set_ylim(values.min() / 3, 3 * values.max())
        sizes[0].set_ylabel(row_label(setting, "contribution to the loss (nats)"))
        ratios[0].set_ylabel("|error| / |trace term|")
    notes = [
        Line2D([], [], color="black", label="|trace term|"),
        Line2D([], [], color=NEUTRAL, marker="o", label="|error| of the expansion"),
        Line2D([], [], color=NEUTRAL, marker="o", markerfacecolor="white", linestyle="none",
               label=f"within {RESOLVED:g} standard errors of 0"),
        Line2D([], [], color=NEUTRAL, linestyle=(0, (1, 1)), linewidth=1, label=f"temperature$^{{-{ORDER}}}$"),
        Patch(color=_HOLDS, alpha=0.15, linewidth=0, label=f"error below {SMALL_ERROR:.0%} of the term"),
        *(
            Line2D([], [], color=method_style(m).color, linestyle=":", linewidth=1.2,
                   label=f"{method_style(m).label} trains at")
            for m in methods
        ),
    ]  # fmt: skip
    figure.legend(handles=notes, loc="outside upper center", ncols=4)
    return figure


def relative_error(errors: np.ndarray, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Size of the error over that of the trace term, each (n, T): (value, low, high), each (T,).

    A ratio of means over seeds, and its bootstrap interval: a mean of ratios would be that of the seed whose term is
    near 0.
    """
    sizes = np.abs(errors), np.abs(terms)

    def ratio(seeds: np.ndarray) -> np.ndarray:
        return sizes[0][seeds].mean(0) / sizes[1][seeds].mean(0)

    return ratio(np.arange(len(errors))), *bootstrap(ratio, len(errors))


def _draw_lemma(size: Axes, ratio: Axes, rows: pd.DataFrame, color: str) -> None:
    """Sizes of error and trace term, and their ratio; bands over seeds; bars: the error's standard error."""
    places, errors = by_seed(rows, ["temperature"], "error")
    _, terms = by_seed(rows, ["temperature"], "trace_term")
    x = places.get_level_values("temperature").to_numpy()
    term, error, relative = (
        mean_interval(np.abs(terms)),
        mean_interval(np.abs(errors)),
        relative_error(errors, terms),
    )
    standard = np.sqrt((by_seed(rows, ["temperature"], "error_standard_error")[1] ** 2).sum(0)) / len(errors)
    resolved = error[0] > RESOLVED * standard
    for panel, curves, unit in (
        (size, ((term, "black"), (error, color)), 1),
        (ratio, ((relative, color),), term[0]),
    ):
        panel.set_yscale("log")
        for (middle, bottom, top), look in curves:
            panel.plot(x, middle, color=look)
            panel.fill_between(x, bottom, top, color=look, **BAND)
        middle, bars = error[0] / unit, standard / unit
        for which, face in ((resolved, color), (~resolved, "white")):
            panel.errorbar(x[which], middle[which], bars[which], color=color, marker="o", markerfacecolor=face,
                           linestyle="none", linewidth=1, capsize=2)  # fmt: skip
    if resolved.any():
        last = np.flatnonzero(resolved)[-1]
        guide = error[0][last] * (x / x[last]) ** -ORDER
        size.plot(x, guide, color=NEUTRAL, linestyle=(0, (1, 1)), linewidth=1)
    holds = holds_from(x, relative[0])
    ratio.axhline(SMALL_ERROR, color=_HOLDS, linewidth=1)
    ratio.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ratio.set_title(_holds_text(holds))
    for panel in (size, ratio):
        if math.isfinite(holds):
            panel.axvspan(holds, 2 * x[-1], color=_HOLDS, alpha=0.15, linewidth=0)
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator())
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.set_xlim(x[0] / 1.5, x[-1] * 1.5)
        panel.set_xlabel("temperature")
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    size.annotate(_order_text(rows, x[-2:]), (0.04, 0.04), xycoords="axes fraction", fontsize=7, bbox=box)


def _holds_text(holds: float) -> str:
    if not math.isfinite(holds):
        return f"not below {SMALL_ERROR:.0%}\nat any temperature"
    return f"stays below {SMALL_ERROR:.0%}\nfrom temperature {holds:.2g}"


def holds_from(temperatures: np.ndarray, relative_errors: np.ndarray) -> float:
    """From which temperature on the relative error stays below SMALL_ERROR; inf where it does not at the highest.

    Both (T,), temperatures increasing; logarithmic in both between two of them.
    """
    above = np.flatnonzero(~(relative_errors < SMALL_ERROR))
    if not len(above):
        return float(temperatures[0])
    left = above[-1]
    if left == len(temperatures) - 1:
        return math.inf
    around = slice(left, left + 2)
    # np.interp wants increasing values: of minus the logarithm.
    crossing = np.interp(
        -math.log(SMALL_ERROR), -np.log(relative_errors[around]), np.log(temperatures[around])
    )
    return float(np.exp(crossing))


def _order_text(rows: pd.DataFrame, temperatures: np.ndarray) -> str:
    """The error's order in 1 / temperature between two temperatures; mean over seeds and its interval."""
    from probes.lemma import error_order  # imports torch, which a workflow's planning must not wait for

    rows = rows[rows["temperature"].isin(temperatures)]
    ends = "{:g} to {:g}".format(*temperatures)
    try:
        orders = [
            error_order(part.to_dict("records"), RESOLVED)["order"]
            for _, part in rows.groupby("run_id", observed=True)
        ]
    except LgnError:
        return f"order from {ends}:\nnot resolved"
    mean, low, high = mean_interval(np.array(orders))
    return f"order from {ends}:\n{mean:.2f}" + ("" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]")
