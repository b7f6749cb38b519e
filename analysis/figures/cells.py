"""What the maps share: panels of cells over width and depth, their names, colours and legend entries."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from analysis.figures.panels import seeds_text, short_count
from analysis.grid import Map
from analysis.style import page

HATCH = "0.8"
_CELL_WIDTH = 0.4
"""Inches that the text of a cell takes at least: a map of many widths makes a wider figure."""

_TEXT = 7
BOUND = r"\\\\"
"""Hatch of a cell whose value is only a bound."""


def map_figure(rows: int, columns: int, shown: list[Map], height: float) -> Figure:
    """An empty figure; a page wide, or wider if the text of the cells needs it."""
    widths = max(len(one.widths) for one in shown)
    width = max(page(), 1.0 + columns * (0.3 + _CELL_WIDTH * widths))
    return Figure(figsize=(width, height * rows + 1.1), layout="constrained")


def axes_of_map(panel: Axes, one: Map) -> None:
    """A place for each width and depth, white lines between, without the lines of axes."""
    panel.set_xticks(range(len(one.widths)), [size(width) for width in one.widths])
    panel.set_yticks(range(len(one.depths)), [str(depth) for depth in one.depths])
    panel.set_xlim(-0.5, len(one.widths) - 0.5)
    panel.set_ylim(-0.5, len(one.depths) - 0.5)
    panel.set_xlabel("width")
    panel.tick_params(length=0)
    panel.grid(False)
    for spine in panel.spines.values():
        spine.set_visible(False)
    for between in range(1, len(one.widths)):
        panel.axvline(between - 0.5, color="white", linewidth=1.2)
    for between in range(1, len(one.depths)):
        panel.axhline(between - 0.5, color="white", linewidth=1.2)


def place(one: Map, depth: int, width: int) -> tuple[int, int]:
    """x and y of a cell's centre."""
    return one.widths.index(width), one.depths.index(depth)


def draw_cell(
    panel: Axes, at: tuple[int, int], text: str, face: tuple | str = "white", hatch: str | None = None
) -> str:
    """A cell of a colour with its text; hatch: where there is more to say of it. Returns the colour of the text."""
    x, y = at
    panel.add_patch(
        Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, hatch=hatch, edgecolor=HATCH, linewidth=0)
    )
    # Relative luminance, ITU-R BT.709.
    color = "white" if np.dot(to_rgb(face), (0.2126, 0.7152, 0.0722)) < 0.5 else "black"
    # Hatching behind small text makes it hard to read.
    clear = {"facecolor": face, "edgecolor": "none", "pad": 0.8} if hatch else None
    panel.text(
        x, y, text, ha="center", va="center", fontsize=_TEXT, color=color, linespacing=1.05, bbox=clear
    )
    return color


def hatched_note(label: str, hatch: str) -> Patch:
    """Explains a hatch."""
    return Patch(label=label, facecolor="white", edgecolor=HATCH, hatch=hatch, linewidth=0.3)


def text_note(label: str) -> Line2D:
    """An entry of a legend that explains characters."""
    return Line2D([], [], linestyle="none", label=label)


def color_bar(figure: Figure, axes: np.ndarray, norm: Normalize, colors: Colormap, quantity: str) -> Colorbar:
    """Below all panels."""
    return figure.colorbar(
        ScalarMappable(norm, colors),
        ax=axes,
        location="bottom",
        shrink=0.6,
        aspect=45,
        pad=0.03,
        label=quantity,
    )


def blend(color: str, share: float) -> tuple[float, ...]:
    """So much of a colour, the rest white: what alpha would give, on paper too."""
    return tuple(1 - share * (1 - part) for part in to_rgb(color))


def seeds(shown: Iterable[Map], method: str | None = None) -> str:
    """3 seeds; of one method, or of all."""
    return seeds_text(runs for name, runs in _conditions(shown) if method in (None, name))


def budget(shown: Iterable[Map]) -> str:
    """80k iterations; 20k to 80k iterations where runs went on for unlike numbers of them"""
    ran = {int(runs["final_iteration"].max()) for _, runs in _conditions(shown)}
    return " to ".join(short_count(end) for end in sorted({min(ran), max(ran)})) + " iterations"


def size(width: float) -> str:
    """500; 256k"""
    return f"{width:,.0f}" if width < 10_000 else short_count(width)


def _conditions(shown: Iterable[Map]):
    """Method and runs of each condition of these maps."""
    for one in shown:
        for setting in one.settings.values():
            yield from setting.conditions.items()
