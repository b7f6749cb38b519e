"""How everything drawn looks: one colour, marker and line a method, everywhere; and how figures become files."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from lgn.errors import LgnError
from lgn.files import make_folder
from lgn.methods import METHOD_LABELS, NOISE_NAMES, method_label, parametrizations

COLUMN, PAGE = 3.4, 7.0
"""Width in inches of a one-column and a two-column figure of a paper; page() is what a figure has."""

_titled = ContextVar("titled", default=True)

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "figure.figsize": (PAGE, PAGE),
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # TrueType, embedded: text stays text
    "pdf.compression": 6,
    "svg.hashsalt": "lgn-bench",
    "image.cmap": "cividis",
}

# Okabe and Ito's palette, distinct in print and by the colour-blind.
_BLUE, _VERMILLION, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#E69F00", "#009E73"
_PURPLE, _SKY, _GREY = "#CC79A7", "#56B4E9", "#555555"

NEUTRAL = _GREY
BAND: dict[str, Any] = {"alpha": 0.18, "linewidth": 0}
STAR: dict[str, Any] = {
    "marker": "*",
    "markersize": 8,
    "color": "none",
    "markeredgecolor": "black",
    "linestyle": "none",
}
"""A cited number, and nothing else, is a star with a black edge."""


@dataclass(frozen=True)
class MethodStyle:
    """One method's look."""

    label: str
    color: str
    marker: str
    line: Any


_COLORS = (
    _BLUE,
    _VERMILLION,
    _ORANGE,
    _GREEN,
    _PURPLE,
    _SKY,
    _GREY,
    "#882255",
    "#44AA99",
    "#999933",
    "#332288",
    "#AA4499",
)
"""Okabe and Ito's colours, then Tol's muted ones. With so many markers their pairs repeat after 132 methods."""
_MARKERS = "os^DvPX<>ph"
_LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def method_style(method: str) -> MethodStyle:
    """The look of a method, by its place in lgn.methods; other noises take theirs, straight-through or not."""
    noises = [noise for noise in NOISE_NAMES if noise not in ("none", "gumbel")]
    named = [name for kind in parametrizations().values() for name in kind.named]
    order = [*METHOD_LABELS, *noises, *named]
    name = method if method in order else method.rsplit("_", 1)[0]
    place = order.index(name) if name in order else len(order) + zlib.crc32(method.encode()) % 100
    return MethodStyle(
        method_label(method),
        _COLORS[place % len(_COLORS)],
        _MARKERS[place % len(_MARKERS)],
        _LINES[place % len(_LINES)],
    )


def page() -> float:
    """Width in inches of a figure of all panels."""
    return matplotlib.rcParams["figure.figsize"][0]


def titled() -> bool:
    """Whether panels say above them which setting they show."""
    return _titled.get()


@contextmanager
def styled(sheet: Path | None = None, width: float | None = None, titles: bool = True) -> Iterator[None]:
    """Matplotlib in this style, then in that of a style sheet; a user's own matplotlibrc has no effect.

    width: of figures, in inches. Raises LgnError for a sheet that matplotlib cannot read.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        try:
            own = {} if sheet is None else matplotlib.rc_params_from_file(sheet, use_default_template=False)
        except (OSError, ValueError) as error:
            raise LgnError(
                f"{sheet}: is no style sheet of matplotlib ({' '.join(str(error).split())})"
            ) from None
        matplotlib.rcParams.update(own)
        if width is not None:
            matplotlib.rcParams["figure.figsize"] = (width, PAGE)
        token = _titled.set(titles)
        try:
            yield
        finally:
            _titled.reset(token)


_METADATA = {
    "pdf": {"CreationDate": None, "Creator": "lgn-bench", "Producer": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "lgn-bench"},
}
FORMATS = tuple(_METADATA)


def save(figure: Figure, name: str, folder: Path, formats: Sequence[str] = ("pdf", "png")) -> list[Path]:
    """Writes <folder>/<name>.pdf and .png, or others of FORMATS, without dates or versions: equal in all bytes."""
    make_folder(folder)
    # Laid out once: each savefig would do it anew, and it takes as long as drawing.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    paths = [folder / f"{name}.{ending}" for ending in formats]
    for path, ending in zip(paths, formats, strict=True):
        figure.savefig(path, metadata=_METADATA[ending])
    return paths
