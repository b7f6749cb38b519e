"""One HTML page of a finished preset that needs no other file: verdicts first, then figures with their captions."""

import base64
import html
import re
from pathlib import Path

import pandas as pd

from analysis.claim_tables import NO_CLAIMS, claims_shown
from analysis.gallery import caption, figures_in
from analysis.verdicts import Verdict
from lgn.files import require_ours

_BEGINS = '<!doctype html>\n<html lang="en">\n<title>lgn-bench: preset '
_HEAD = """</title>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; margin: 1.5rem auto; max-width: 72rem;
    padding: 0 1rem; }
  h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } p, figcaption { max-width: 46rem; }
  .scroll { overflow-x: auto; } figure { margin: 0; } img { max-width: 100%; } figcaption { color: #555; }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
  th, td { padding: .25rem .55rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e4e4e4;
    white-space: nowrap; }
  td:last-child { white-space: normal; min-width: 14rem; } summary { font-weight: 600; margin-top: 1rem; }
</style>
"""
_COLUMNS = ["claim", "verdict", "paper", "measured", "95% interval", "seeds", "why"]
_MOST_OPEN = 4
"""Settings whose tables are open; of more, a reader opens those of interest."""
_INTRODUCTION = (
    "Logic gate networks, trained by several methods, and the claims of <em>Mind the Gap</em> (Yousefi, Plesner, "
    'Aczel, Wattenhofer, NeurIPS 2025, <a href="https://arxiv.org/abs/2506.07500">arXiv:2506.07500</a>) measured '
    "on them. Every number comes from the run records of this preset; the column <em>paper</em> has the paper's "
    "own values."
)


def write_report(claims: list[dict], figures: Path, path: Path) -> Path:
    """Writes the page of a preset's claims and of the figures (png) in a folder; returns the path.

    Raises LgnError where there is no figure, or where `path` is a file that this function did not write.
    """
    require_ours(path, _BEGINS)
    names = figures_in(figures)
    parts = [f"{_BEGINS}{figures.name}{_HEAD}<h1>Preset {figures.name}</h1>\n<p>{_INTRODUCTION}</p>"]
    parts += ["<h2>Do the claims hold?</h2>", *_verdicts(claims)]
    parts += [_figure(figures / f"{name}.png", caption(name, figures.name)) for name in names]
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _verdicts(claims: list[dict]) -> list[str]:
    """How often each claim got each verdict, if there are several settings; then a table of claims for each setting."""
    if not claims:
        return [f"<p>{NO_CLAIMS}</p>"]
    shown = claims_shown(claims).drop(columns="detail")
    judged = shown[shown["verdict"] != "-"]
    order = [verdict.value for verdict in Verdict if verdict.value in set(judged["verdict"])]
    counts = pd.crosstab(judged["claim"], judged["verdict"])[order].loc[judged["claim"].unique()]
    sentences = [
        f"{claim}: {', '.join(f'{verdict} at {row[verdict]}' for verdict in order if row[verdict])}"
        for claim, row in counts.iterrows()
    ]
    settings = dict(list(shown.groupby("scale", sort=False)))
    listed = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    first = [f"<p>Verdicts at {len(settings)} settings:</p><ul>{listed}</ul>"] if len(settings) > 1 else []
    opened = " open" if len(settings) <= _MOST_OPEN else ""
    return first + [
        f"<details{opened}><summary>{html.escape(scale)}</summary>"
        f'<div class="scroll">{rows[_COLUMNS].to_html(index=False, border=0)}</div></details>'
        for scale, rows in settings.items()
    ]


def _figure(path: Path, text: str) -> str:
    """A figure with the file's bytes in it."""
    data = base64.b64encode(path.read_bytes()).decode()
    name = path.stem.replace("_", " ")
    shown = re.sub("`(.*?)`", r"<code>\1</code>", html.escape(text))
    return (
        f'<h2>{name.capitalize()}</h2>\n<figure><img alt="{name}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{shown}</figcaption></figure>"
    )
