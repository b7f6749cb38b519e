"""How everything drawn looks: one colour, marker and line a method, everywhere; and how figures become files."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from lgn.files import make_folder
from lgn.methods import method_label

COLUMN, PAGE = 3.4, 7.0
"""Width in inches of a one-column and a two-column figure of a paper."""

RC = {
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
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # TrueType, embedded: text stays text
    "pdf.compression": 6,
    "image.cmap": "cividis",
}

# Okabe and Ito's palette, told apart in print and by the colour-blind.
_BLUE, _VERMILLION, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#E69F00", "#009E73"
_PURPLE, _SKY, _GREY = "#CC79A7", "#56B4E9", "#555555"

NEUTRAL = _GREY
BAND = {"alpha": 0.18, "linewidth": 0}
STAR = {"marker": "*", "markersize": 8, "color": "none", "markeredgecolor": "black", "linestyle": "none"}
"""A cited number, and nothing else, is a star with a black edge."""


@dataclass(frozen=True)
class MethodStyle:
    """One method's look."""

    label: str
    color: str
    marker: str
    line: str | tuple


_LOOKS = {
    "dlgn": (_BLUE, "o", "-"),
    "glgn": (_VERMILLION, "s", "--"),
    "gumbel_soft": (_ORANGE, "^", "-."),
    "hard_st": (_GREEN, "D", ":"),
    "gaussian": (_PURPLE, "v", (0, (5, 1))),
    "logistic": (_SKY, "P", (0, (3, 1, 1, 1))),
    "uniform": (_GREY, "X", (0, (1, 1))),
}


_OTHERS, _MARKERS = ("#882255", "#44AA99", "#999933", "#332288", "#AA4499"), ("<", ">", "p", "h", "*")
"""Of methods that no look is set for: Tol's muted colours."""


def method_style(method: str) -> MethodStyle:
    """The look of a method; one of another noise takes its noise's, straight-through or not; others one by name."""
    look = _LOOKS.get(method) or _LOOKS.get(method.rsplit("_", 1)[0])
    if look is None:
        number = zlib.crc32(method.encode())
        look = (
            _OTHERS[number % len(_OTHERS)],
            _MARKERS[number // 7 % len(_MARKERS)],
            (0, (4, 1, 1, 1, 1, 1)),
        )
    return MethodStyle(method_label(method), *look)


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib in this style and no other, whatever a user's own matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def save(figure: Figure, name: str, folder: Path) -> list[Path]:
    """Writes <folder>/<name>.pdf and .png without dates or versions: equal figures are equal bytes."""
    make_folder(folder)
    # Laid out once: each savefig would do it anew, and it takes as long as drawing.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    pdf, png = folder / f"{name}.pdf", folder / f"{name}.png"
    figure.savefig(pdf, metadata={"CreationDate": None, "Creator": "lgn-bench", "Producer": None})
    figure.savefig(png, metadata={"Software": None})
    return [pdf, png]
