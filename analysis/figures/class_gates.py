"""Gates weighted by how often they fire for each class (paper, App. C): how much classes differ."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from analysis.conditions import Setting
from analysis.figures.panels import row_label, seeds_text
from analysis.figures.probed import by_seed, compared, probed_settings, rows_at
from analysis.style import method_style, page
from analysis.tidy import Tables
from lgn.gates import NAMES

_COLORS = "PuOr"


def gates_by_class(tables: Tables, found: list[Setting]) -> Figure:
    """A gate's share of all that fires in a layer: its mean over classes, and by how many points each class differs.

    First and last layer of two methods, means over seeds. With seeds to compare, only the differences whose sign
    they all share have a colour, and the titles count them beside what chance gives. A colour scale for each setting.
    """
    every, rows = probed_settings(tables, "class_gates")
    shown, methods = compared(every)
    figure = Figure(figsize=(page(), 3.0 * len(shown)), layout=ConstrainedLayoutEngine(w_pad=0.06))
    axes = figure.subplots(len(shown), 2 * len(methods), squeeze=False)
    for row, setting in zip(axes, shown, strict=True):
        places = [(method, layer) for method in methods for layer in (1, setting.depth)]
        drawn = []
        for panel, (method, layer) in zip(row, places, strict=True):
            if method not in setting.conditions:
                panel.set_axis_off()
                continue
            condition = setting.conditions[method]
            shares = firing_shares(rows, condition, layer)
            drawn.append((panel, shares))
            name = f"{method_style(method).label}, layer {layer}"
            panel.set_title(f"{name}\n{seeds_text([condition])}{_agreement_text(shares)}")
        largest = max(np.abs(_visible(shares)).max() for _, shares in drawn) or 1.0
        norm = Normalize(-100 * largest, 100 * largest)
        for panel, shares in drawn:
            _draw_shares(panel, shares, norm, named=panel is drawn[0][0])
        drawn[0][0].set_ylabel(row_label(setting, "gate"))
        figure.colorbar(
            ScalarMappable(norm, _COLORS), ax=row, location="bottom", shrink=0.6, aspect=45, pad=0.03,
            label="share in a class minus the mean over classes (points); numbers: the mean (%)",
        )  # fmt: skip
    return figure


def firing_shares(rows: pd.DataFrame, condition: pd.DataFrame, layer: int) -> np.ndarray:
    """Of all outputs of a layer that are 1, a gate's share: (runs, gates, classes), gates by index."""
    rows = rows_at(rows, condition, "last")
    places, weights = by_seed(rows[rows["layer"] == layer], ["class", "gate"], "weight")
    tables = [pd.Series(of_run, places).unstack("class").loc[list(NAMES)] for of_run in weights]
    return np.stack([(table / table.sum()).to_numpy() for table in tables])


def agreement(shares: np.ndarray) -> tuple[np.ndarray, float]:
    """Where the runs' differences from the mean over classes share their sign, and at how many places chance has it so.

    shares: (runs, gates, classes). Returns (gates, classes) bool, and the places expected if signs fell like coins:
    1 in 2^(runs - 1) of those at which every run differs at all (a constant gate fires for all classes alike).
    """
    signs = np.sign(_deviations(shares))
    differs = (signs != 0).all(0)
    return differs & (signs == signs[0]).all(0), differs.sum() / 2 ** (len(shares) - 1)


def _deviations(shares: np.ndarray) -> np.ndarray:
    # Shares that are equal for all classes: their mean is exact, a sum of them over their number is not always.
    equal = (shares == shares[..., :1]).all(-1, keepdims=True)
    return np.where(equal, 0, shares - shares.mean(-1, keepdims=True))


def _visible(shares: np.ndarray) -> np.ndarray:
    """(gates, classes): mean deviation over runs, 0 where the runs do not agree on its sign."""
    return np.where(agreement(shares)[0], _deviations(shares).mean(0), 0)


def _agreement_text(shares: np.ndarray) -> str:
    """How many differences all seeds share, and how many by chance; with one seed there is nothing to compare."""
    if len(shares) == 1:
        return ", unchecked"
    agree, chance = agreement(shares)
    return f" agree: {agree.sum()}\nby chance: {chance:.3g}"


def _draw_shares(panel: Axes, shares: np.ndarray, norm: Normalize, *, named: bool) -> None:
    _, gates, classes = shares.shape
    panel.imshow(100 * _visible(shares), norm=norm, cmap=_COLORS, aspect="auto")
    for gate, share in enumerate(shares.mean((0, 2))):
        panel.text(classes + 0.7, gate, f"{100 * share:.0f}", ha="right", va="center", fontsize=7)
    panel.set_xticks(range(classes))
    panel.set_yticks(range(gates), [name.replace("_", " ") for name in NAMES] if named else [])
    panel.tick_params(length=0)
    panel.grid(False)
    panel.spines[:].set_visible(False)
    panel.set_xlabel("class")
