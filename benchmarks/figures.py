"""Draws speed, inference, scaling and workflow (png and pdf) from the benchmark's tables."""

from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.style import NEUTRAL, PAGE, method_style, save, styled
from benchmarks.cases import SEAM
from benchmarks.workflow import LIMIT_MIB, LIMIT_SECONDS, STEPS

METHODS = ("glgn", "dlgn")
LIBRARIES = {
    "lgn-bench": "lgn-bench",
    "four_coefficients": "4 coefficients,\ntorch.compile",
    "torchlogix": "torchlogix 0.2",
    "sixteen_gates": "16-gate sum",
}
BARS = 0.72
"""Share of a library's place that its bars, one a method, take."""


def draw_all(folder: Path) -> list[Path]:
    """Draws every table that exists in `folder`, beside it; returns the files."""
    written = []
    for name, draw in DRAW.items():
        table = folder / f"{name}.csv"
        if table.is_file():
            with styled():
                written += save(draw(pd.read_csv(table)), name, folder)
    return written


def draw_speed(speed: pd.DataFrame) -> Figure:
    """One panel per case: milliseconds per iteration of every library's best variant, and the factor to ours."""
    cases = list(dict.fromkeys(speed.case))
    columns = min(2, len(cases))
    rows = -(-len(cases) // columns)
    figure = Figure(figsize=(PAGE, 0.4 + 1.75 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    best = best_variants(speed)
    for axes, case in zip(panels.flat, cases, strict=False):
        _speed_panel(axes, case, best[best.case == case])
    for axes in panels.flat[len(cases) :]:
        axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xlabel("ms an iteration, median and 10-90%")
    # One entry a method, whichever panels it is in.
    handles: dict[str, Artist] = {}
    for axes in panels.flat:
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=len(handles))
    return figure


def best_variants(speed: pd.DataFrame) -> pd.DataFrame:
    """speed.csv with columns library, method: the fastest of each library's variants (eager, compiled)."""
    parts = speed.implementation.str.split(" ", expand=True)
    table = speed.assign(library=parts[0], method=parts[1])
    fastest = table.groupby(["case", "threads", "library", "method"]).median_ms.idxmin()
    return table.loc[fastest]


def _speed_panel(axes: Axes, case: str, table: pd.DataFrame) -> None:
    libraries = [library for library in LIBRARIES if library in set(table.library)]
    methods = [method for method in (*METHODS, *SEAM) if method in set(table.method)]
    bar = BARS / len(methods)
    for number, method in enumerate(methods):
        style, offset = method_style(method), (number + 0.5) * bar - BARS / 2
        rows = table[table.method == method].set_index("library").reindex(libraries)
        places = [index + offset for index in range(len(libraries))]
        spread = [rows.median_ms - rows.low_ms, rows.high_ms - rows.median_ms]
        axes.barh(places, rows.median_ms, bar, color=style.color, label=style.label)
        axes.errorbar(rows.median_ms, places, xerr=spread, fmt="none", ecolor="0.2", elinewidth=0.8)
        ours = rows.median_ms.iloc[0]
        for place, library in zip(places, libraries, strict=True):
            value = rows.median_ms[library]
            if pd.notna(value):
                text = f" {value:.3g} ms" if library == "lgn-bench" else f" {value / ours:.3g}x"
                axes.annotate(text, (rows.high_ms[library], place), va="center", fontsize=6.5)
    axes.set_yticks(range(len(libraries)), [LIBRARIES[library] for library in libraries])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=axes.get_xlim()[1] * 4)
    axes.grid(False, axis="y")
    axes.set_title(f"{case}; {table.threads.iloc[0]} thread{'s' if table.threads.iloc[0] > 1 else ''}")


def draw_inference(inference: pd.DataFrame) -> Figure:
    """Images per second of the discretised network."""
    figure = Figure(figsize=(PAGE, 0.9 + 0.28 * len(inference)), layout="constrained")
    axes = figure.subplots()
    table = inference.sort_values("images_per_second")
    ours = table.implementation.str.startswith("lgn-bench")
    colors = [method_style("glgn").color if own else NEUTRAL for own in ours]
    axes.barh(table.implementation, table.images_per_second / 1e6, color=colors)
    for place, (value, preparation) in enumerate(
        zip(table.images_per_second, table.preparation_seconds, strict=True)
    ):
        text = f" {value / 1e6:.2g} million, ready after {preparation:.2g} s"
        axes.annotate(text, (value / 1e6, place), va="center", fontsize=6.5)
    axes.set_xlim(0, table.images_per_second.max() / 1e6 * 1.45)
    axes.set_xlabel("million images a second, one thread, median")
    axes.grid(False, axis="y")
    axes.set_title(table.case.iloc[0])
    return figure


def draw_scaling(scaling: pd.DataFrame) -> Figure:
    """Time and memory of our step over gates, batch, threads and parallel runs, and the roofline."""
    figure = Figure(figsize=(PAGE, 4.2), layout="constrained")
    panels = figure.subplots(2, 3).flat
    table = scaling.assign(
        gates=scaling.depth * scaling.width,
        bound_share=100 * scaling.bandwidth_bound_ms / scaling.median_ms,
        steps_per_second=1e3 * scaling.runs / scaling.median_ms,
    )
    by_gates = table[table.axis == "gates"]
    _lines(next(panels), by_gates, "gates", "median_ms", "gates (depth 4)", "milliseconds a step")
    _lines(next(panels), by_gates, "gates", "memory_mib", "gates (depth 4)", "memory added (MiB)")
    share = next(panels)
    _lines(share, by_gates, "gates", "bound_share", "gates (depth 4)", "% of the roofline")
    share.set_yscale("linear")
    share.set_ylim(bottom=0)
    share.axhline(100, color=NEUTRAL, linewidth=0.8, linestyle=":")
    batch = next(panels)
    _lines(batch, table[table.axis == "batch"], "batch", "median_ms", "batch", "milliseconds a step")
    _tick_at(batch, table[table.axis == "batch"].batch)
    for axis, column, x_label, y_label in (
        ("threads", "median_ms", "threads of one run", "milliseconds a step"),
        ("runs", "steps_per_second", "runs in parallel", "steps a second, all runs"),
    ):
        axes, rows = next(panels), table[table.axis == axis]
        _lines(axes, rows, axis, column, x_label, y_label)
        axes.set_yscale("linear")
        axes.set_ylim(bottom=0)
        _tick_at(axes, rows[axis])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(handles))
    return figure


def _tick_at(axes: Axes, values: pd.Series) -> None:
    ticks = sorted(set(values))
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def _lines(axes: Axes, table: pd.DataFrame, x: str, y: str, x_label: str, y_label: str) -> None:
    """One line per method on logarithmic axes; with times also the memory roofline."""
    for method in METHODS:
        style = method_style(method)
        rows = table[table.method == method].sort_values(x)
        axes.plot(
            rows[x], rows[y], color=style.color, marker=style.marker, linestyle=style.line, label=style.label
        )
        if y == "median_ms" and (rows.threads == 1).all():
            bound = f"memory roofline, {style.label}"
            axes.plot(
                rows[x], rows.bandwidth_bound_ms, color=style.color, alpha=0.45, linewidth=0.9, label=bound
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)


def draw_workflow(workflow: pd.DataFrame) -> Figure:
    """Time and memory of Snakemake and the analysis over the number of runs, and their limits."""
    figure = Figure(figsize=(PAGE, 2.9), layout="constrained")
    for axes, column, label, limit in zip(
        figure.subplots(1, 2),
        ("seconds", "memory_mib"),
        ("seconds", "peak memory (MiB)"),
        (LIMIT_SECONDS, LIMIT_MIB),
        strict=True,
    ):
        for marker, (step, name) in zip("os^vDX", STEPS.items(), strict=True):
            rows = workflow[workflow.step == step].sort_values("runs")
            axes.plot(rows.runs, rows[column], marker=marker, label=name)
        axes.axhline(limit, color=NEUTRAL, linewidth=0.8, linestyle=":", label="limit at 10,000 runs")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("runs")
        axes.set_ylabel(label)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


DRAW = {
    "speed": draw_speed,
    "inference": draw_inference,
    "scaling": draw_scaling,
    "workflow": draw_workflow,
}
