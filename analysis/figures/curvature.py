"""The Hessian's trace along training (the paper's Figure 7), and from which temperature on Lemma 1, its use, holds."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, SymmetricalLogLocator

from analysis.conditions import Setting, conditions
from analysis.figures.panels import (
    axis_from_zero,
    grid,
    row_label,
    seeds_text,
    shown_methods,
)
from analysis.figures.probed import by_seed, probed_settings, rows_at
from analysis.statistics import mean_interval
from analysis.style import BAND, NEUTRAL, method_style
from analysis.tidy import Tables
from lgn.errors import LgnError

SMALL_ERROR = 0.1
"""Of the trace term: where the expansion's error is below it, the lemma is called a good approximation."""

RESOLVED = 2.0
"""Standard errors beyond which an error is told from 0."""

ORDER = 3
"""Of the error in 1 / temperature, by the lemma."""

_COLUMNS = 4


def hessian_trace(tables: Tables, found: list[Setting]) -> Figure:
    """Trace of the Hessian in logits / temperature along training, a panel a method and, for GLGN, a temperature."""
    shown, rows = probed_settings(tables, "hessian")
    noises = sorted(rows["noise"].unique(), key=lambda noise: (noise != "none", noise))
    by_setting = [(setting, _by_temperature(setting)) for setting in shown]
    columns = min(_COLUMNS, max(len(parts) for _, parts in by_setting))
    lines = [
        (setting, parts[start : start + columns])
        for setting, parts in by_setting
        for start in range(0, len(parts), columns)
    ]
    figure, axes = grid(len(lines), columns, height=1.7)
    linear = 10.0 ** math.floor(math.log10(np.abs(rows.loc[rows["trace"] != 0, "trace"]).median()))
    for row, (setting, parts) in zip(axes, lines, strict=True):
        for panel, condition in zip(row, parts, strict=False):
            look = method_style(condition["method"].iloc[0])
            for noise, line in zip(noises, _trace_lines(look.color), strict=False):
                _draw_trace(panel, rows[rows["noise"] == noise], condition, line)
            panel.axhline(0, color=NEUTRAL, linewidth=0.8)
            panel.set_yscale("symlog", linthresh=linear)
            panel.yaxis.set_major_locator(SymmetricalLogLocator(panel.yaxis.get_transform(), subs=(1,)))
            panel.yaxis.set_minor_locator(NullLocator())
            panel.set_xlabel("iterations")
            temperature = f"temperature {condition['temperature'].iloc[0]:g}"
            panel.set_title(f"{look.label}\n{temperature}, {seeds_text([condition])}")
        for unused in row[len(parts) :]:
            unused.remove()
        row[0].set_ylabel(row_label(setting, "trace of the Hessian"))
    handles = []
    for noise, line in zip(noises, _trace_lines(method_style(shown_methods(shown)[0]).color), strict=False):
        of_noise = rows[rows["noise"] == noise]
        how = ", ".join(sorted(of_noise["estimator"].unique()))
        images = ", ".join(map(str, sorted(of_noise["images"].unique())))
        what = "of the training loss" if noise == "none" else f"mean over {noise.capitalize()} noise"
        handles.append(Line2D([], [], **line, label=f"{what} (estimator {how}, {images} images)"))
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if columns > 1 else 1)
    return figure


def lemma(tables: Tables, found: list[Setting]) -> Figure:
    """Error of Lemma 1's expansion and its trace term against the temperature, at the start and end of training."""
    shown, rows = probed_settings(tables, "lemma")
    methods = shown_methods(shown)
    figure, axes = grid(len(shown), 1 + len(methods), height=2.3)
    values = np.abs(rows[["error", "trace_term"]].to_numpy())
    values = values[values > 0]
    for row, setting in zip(axes, shown, strict=True):
        by_method = setting.conditions
        # At equal seed all methods start from the same network.
        first = pd.concat(by_method.values()).drop_duplicates("seed")
        _draw_lemma(row[0], rows_at(rows, first, "first"), NEUTRAL)
        row[0].set_title(f"at initialization, {seeds_text([first])}")
        for panel, method in zip(row[1:], methods, strict=True):
            if method not in by_method:
                panel.set_axis_off()
                continue
            look, condition = method_style(method), by_method[method]
            _draw_lemma(panel, rows_at(rows, condition, "last"), look.color)
            panel.set_title(f"{look.label} trained, {seeds_text([condition])}")
        for panel in row:
            for method, condition in by_method.items():
                own = float(condition["temperature"].iloc[0])
                panel.axvline(own, color=method_style(method).color, linestyle=":", linewidth=1.2)
            panel.set_ylim(values.min() / 3, 3 * values.max())
            panel.set_xlabel("temperature")
        row[0].set_ylabel(row_label(setting, "contribution to the loss (nats)"))
    notes = [
        Line2D([], [], color="black", label="|trace term|"),
        Line2D([], [], color=NEUTRAL, marker="o", label="|error| of the expansion"),
        Line2D([], [], color=NEUTRAL, marker="o", markerfacecolor="white", linestyle="none",
               label=f"within {RESOLVED:g} standard errors of 0"),
        Line2D([], [], color=NEUTRAL, linestyle=(0, (1, 1)), linewidth=1, label=f"temperature$^{{-{ORDER}}}$"),
        Patch(color="#009E73", alpha=0.15, linewidth=0, label=f"error below {SMALL_ERROR:.0%} of the term"),
        *(
            Line2D([], [], color=method_style(m).color, linestyle=":", linewidth=1.2,
                   label=f"{method_style(m).label} trains at")
            for m in methods
        ),
    ]  # fmt: skip
    figure.legend(handles=notes, loc="outside upper center", ncols=4)
    return figure


def _trace_lines(color: str) -> tuple[dict, dict]:
    """How the trace of the training loss is drawn, and how that of its mean over noise."""
    return (
        {"color": color, "marker": "o", "markersize": 3},
        {"color": NEUTRAL, "marker": "o", "markersize": 3, "markerfacecolor": "white", "linestyle": "--"},
    )


def _draw_trace(panel: Axes, rows: pd.DataFrame, condition: pd.DataFrame, line: dict) -> None:
    """Mean and band over seeds; bars: the estimator's standard error of the mean."""
    rows = rows[rows["run_id"].isin(condition["run_id"])]
    iterations, traces = by_seed(rows, ["iteration"], "trace")
    _, errors = by_seed(rows, ["iteration"], "standard_error")
    x, (mean, low, high) = iterations.get_level_values("iteration").to_numpy(), mean_interval(traces)
    panel.plot(x, mean, **line)
    panel.fill_between(x, low, high, color=line["color"], **BAND)
    error = np.sqrt((errors**2).sum(0)) / len(errors)
    if error.any():
        panel.errorbar(x, mean, error, color=line["color"], linestyle="none", linewidth=0.8, capsize=1.5)
    axis_from_zero(panel, x[x > 0][0])


def _draw_lemma(panel: Axes, rows: pd.DataFrame, color: str) -> None:
    """Size of error and trace term, means and bands over seeds; bars: the error's standard error."""
    places, errors = by_seed(rows, ["temperature"], "error")
    x = places.get_level_values("temperature").to_numpy()
    mean, low, high = mean_interval(np.abs(errors))
    terms = mean_interval(np.abs(by_seed(rows, ["temperature"], "trace_term")[1]))
    standard = np.sqrt((by_seed(rows, ["temperature"], "error_standard_error")[1] ** 2).sum(0)) / len(errors)
    panel.set_xscale("log")
    panel.set_yscale("log")
    for (middle, bottom, top), look in ((terms, "black"), ((mean, low, high), color)):
        panel.plot(x, middle, color=look)
        panel.fill_between(x, bottom, top, color=look, **BAND)
    resolved = mean > RESOLVED * standard
    for which, face in ((resolved, color), (~resolved, "white")):
        panel.errorbar(x[which], mean[which], standard[which], color=color, marker="o", markerfacecolor=face,
                       linestyle="none", linewidth=1, capsize=2)  # fmt: skip
    if resolved.any():
        last = np.flatnonzero(resolved)[-1]
        guide = mean[last] * (x / x[last]) ** -ORDER
        panel.plot(x, guide, color=NEUTRAL, linestyle=(0, (1, 1)), linewidth=1)
    holds = holds_from(x, mean / terms[0])
    if math.isfinite(holds):
        panel.axvspan(holds, 2 * x[-1], color="#009E73", alpha=0.15, linewidth=0)
    panel.set_xlim(x[0] / 1.5, x[-1] * 1.5)
    panel.xaxis.set_major_locator(LogLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    panel.annotate(_order_text(rows, x[-2:]), (0.04, 0.04), xycoords="axes fraction", fontsize=7, bbox=box)


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
    from lgn.probes.lemma import error_order  # imports torch, which a workflow's planning must not wait for

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


def _by_temperature(setting: Setting) -> list[pd.DataFrame]:
    """The runs that stand for each method, and those of GLGN at every temperature, in order."""
    parts = []
    for method, condition in setting.conditions.items():
        every = (
            conditions(setting.runs[setting.runs["method"] == method]) if method == "glgn" else [condition]
        )
        parts += sorted(every, key=lambda part: part["temperature"].iloc[0])
    return parts
