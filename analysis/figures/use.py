"""Which neurons of trained nets do anything: unused by entropy beside what they do in the circuit."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from analysis.conditions import Setting
from analysis.figures.panels import legend, panel_row, setting_title, shown_methods
from analysis.figures.probed import probed_settings
from analysis.style import NEUTRAL, method_style
from analysis.tidy import Tables
from analysis.use import use_values

_MARKERS = {"unused": "o", "not_silent": "D", "after_constants": "s", "after_sharing": "^"}
"""Of the counts that are drawn; of `unused` the rest, those used."""


def use_of_gates(tables: Tables, found: list[Setting]) -> Figure:
    """Shares of neurons that are used by entropy, whose complement changes a class, that are left in the circuit."""
    shown, _ = probed_settings(tables, "use")
    values = use_values(tables).set_index(["dataset", "depth", "width", "recipe", "method"])
    methods = shown_methods(shown)
    figure, panels = panel_row(shown, height=0.5 + 0.45 * len(methods))
    for axes, setting in zip(panels, shown, strict=True):
        for place, method in enumerate(methods):
            if method in setting.conditions:
                key = (setting.dataset, setting.depth, setting.width, setting.recipe_text, method)
                _draw_counts(axes, place, values.loc[key], method_style(method).color)
        axes.set_yticks(range(len(methods)), [method_style(method).label for method in methods])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.set_xlim(0, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("share of all neurons")
        axes.set_title(setting_title(setting, beside=shown))
    panels[0].set_ylabel("method")
    handles = [
        Line2D([], [], color=NEUTRAL, marker=marker, linestyle="none", label=_name(count))
        for count, marker in _MARKERS.items()
    ]
    legend(figure, handles)
    return figure


def _draw_counts(axes, place: int, row, color: str) -> None:
    for line, (count, marker) in enumerate(_MARKERS.items()):
        shares = [row[f"{count}{part}"] for part in ("", "_low", "_high")]
        mean, low, high = (1 - share for share in shares) if count == "unused" else shares
        y = place + 0.17 * (line - 1.5)
        axes.plot([low, high], [y, y], color=color, linewidth=1)
        axes.plot(mean, y, color=color, marker=marker, markersize=4)


def _name(count: str) -> str:
    return "used, by entropy" if count == "unused" else count
