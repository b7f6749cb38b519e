"""The data frames that readers see: made once, written as md, tex and csv."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lgn.files import make_folder, require_ours

_TEX = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "<": r"$<$",
    ">": r"$>$",
    "~": r"\textasciitilde{}",
}


def write_table(
    name: str, shown: pd.DataFrame, folder: Path, values: pd.DataFrame | None = None
) -> list[Path]:
    """Writes <folder>/<name>.md, .tex and .csv; returns the files.

    shown: text cells, for md and tex. values: the numbers behind them, for csv; the text itself where not given.
    Raises LgnError where one of the names is that of another file, such as docs/verdicts.md.
    """
    make_folder(folder)
    markdown = shown.map(lambda cell: str(cell).replace("|", r"\|")).to_markdown(
        index=False, disable_numparse=True
    )
    tex = shown.map(tex_escape).rename(columns=tex_escape).to_latex(index=False, escape=False)
    text = {
        "md": markdown + "\n",
        "tex": tex,
        "csv": (shown if values is None else values).to_csv(index=False, lineterminator="\n"),
    }
    begins = {"md": "|", "tex": r"\begin{tabular}", "csv": re.split("[,\n]", text["csv"], maxsplit=1)[0]}
    paths = {ending: folder / f"{name}.{ending}" for ending in text}
    for ending, path in paths.items():
        require_ours(path, begins[ending])
    for ending, path in paths.items():
        path.write_text(text[ending], encoding="utf-8")
    return list(paths.values())


def tex_escape(cell: object) -> str:
    """A cell as LaTeX text."""
    return "".join(_TEX.get(character, character) for character in str(cell))


def with_interval(value: float, low: float, high: float, show: Callable[[float], str]) -> str:
    """ "93.1 [92.0, 94.0]"; without the interval where there is none, "-" without a value."""
    if value is None or math.isnan(value):
        return "-"
    return show(value) + ("" if low is None or math.isnan(low) else f" [{show(low)}, {show(high)}]")


def reduction_text(percent: float) -> str:
    """98.3%; a negative reduction is an increase: 1.5x more"""
    return f"{percent:.1f}%" if percent >= 0 else f"{1 - percent / 100:.3g}x more"


def duration(value: float) -> str:
    """Iterations or seconds: 1,400; 2.31"""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
