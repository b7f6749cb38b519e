"""Gates weighted by how often they fire for each class (paper, App. C): how much classes differ."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis.conditions import Setting
from analysis.figures.panels import row_label, seeds_text
from analysis.figures.probed import by_seed, compared, probed_settings, rows_at
from analysis.style import PAGE, method_style
from analysis.tidy import Tables
from lgn.gates import NAMES

_COLORS = "PuOr"


def gates_by_class(tables: Tables, found: list[Setting]) -> Figure:
    """A gate's share of all that fires in a layer: its mean over classes, and by how many points each class differs.

    First and last layer of DLGN and GLGN, means over seeds.
    """
    every, rows = probed_settings(tables, "class_gates")
    shown, methods = compared(every)
    figure = Figure(figsize=(PAGE, 2.4 * len(shown) + 0.7), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08)
    axes = figure.subplots(len(shown), 2 * len(methods), squeeze=False)
    drawn = []
    for row, setting in zip(axes, shown, strict=True):
        places = [(method, layer) for method in methods for layer in (1, setting.depth)]
        for panel, (method, layer) in zip(row, places, strict=True):
            if method not in setting.conditions:
                panel.set_axis_off()
                continue
            condition = setting.conditions[method]
            shares = firing_shares(rows, condition, layer)
            drawn.append((panel, shares))
            panel.set_title(f"{method_style(method).label}, layer {layer}\n{seeds_text([condition])}")
        first = next(panel for panel, _ in drawn if panel in row)
        first.set_ylabel(row_label(setting, "gate"))
    largest = max(float(_deviations(shares).abs().to_numpy().max()) for _, shares in drawn)
    norm = Normalize(-100 * largest, 100 * largest)
    for panel, shares in drawn:
        _draw_shares(panel, shares, norm, named=bool(panel.get_ylabel()))
    figure.colorbar(
        ScalarMappable(norm, _COLORS), ax=axes, location="bottom", shrink=0.6, aspect=45, pad=0.03,
        label="a class's share less the mean over classes (points); numbers: that mean (%)",
    )  # fmt: skip
    return figure


def firing_shares(rows: pd.DataFrame, condition: pd.DataFrame, layer: int) -> pd.DataFrame:
    """Of all outputs of a layer that are 1, the share that a gate gives: a row a gate, a column a class.

    Mean over a condition's runs, each of which counts alike.
    """
    rows = rows_at(rows, condition, "last")
    places, weights = by_seed(rows[rows["layer"] == layer], ["class", "gate"], "weight")
    of_class = places.get_level_values("class").to_numpy()
    totals = np.stack([weights[:, of_class == label].sum(1) for label in of_class], 1)
    shares = pd.Series((weights / totals).mean(0), places).unstack("class")
    return shares.loc[list(NAMES)]


def _deviations(shares: pd.DataFrame) -> pd.DataFrame:
    return shares.sub(shares.mean(axis=1), axis=0)


def _draw_shares(panel: Axes, shares: pd.DataFrame, norm: Normalize, *, named: bool) -> None:
    panel.imshow(100 * _deviations(shares), norm=norm, cmap=_COLORS, aspect="auto")
    for gate, share in enumerate(shares.mean(axis=1)):
        panel.text(len(shares.columns) + 0.7, gate, f"{100 * share:.0f}", ha="right", va="center", fontsize=7)
    panel.set_xticks(range(len(shares.columns)), shares.columns)
    panel.set_yticks(range(len(shares)), [name.replace("_", " ") for name in shares.index] if named else [])
    panel.tick_params(length=0)
    panel.grid(False)
    panel.spines[:].set_visible(False)
    panel.set_xlabel("class")
