"""The leaderboard's page: rows measured here beside rows that papers report, in one HTML file that needs no other."""

import csv
import json
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pandas as pd

from analysis.leaderboard.scores import TUNED, VERSION, over_nets, score_table
from analysis.leaderboard.trials import choices
from analysis.tidy import read_tables
from lgn.files import make_folder, require_ours, write_json
from study.preset import Preset

_BEGINS = {
    "leaderboard.html": "<!doctype html>\n<html",
    "leaderboard.json": "{\n",
    "leaderboard.csv": "dataset,depth",
}
DEPTH = 12
"""The depth that the page opens with, the paper's."""


def reported() -> list[dict[str, object]]:
    """The rows of reported.csv: accuracy and spread as shares in 0..1, counts as whole numbers, None where unstated."""
    text = (resources.files("analysis.leaderboard") / "reported.csv").read_text(encoding="utf-8")
    rows = []
    for row in csv.DictReader(text.splitlines()):
        numbers = {name: int(row[name]) if row[name] else None for name in ("depth", "gates", "seeds")}
        shares = {name: float(row[name]) / 100 if row[name] else None for name in ("accuracy", "spread")}
        rest = {"source": "reported", "citation": row["source"], "net": row["net"] or None}
        rows.append(row | numbers | shares | rest)
    return rows


def measured(scores: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of score_table as JSON has them: None for NaN, run_ids as a list."""
    rows = []
    for row in json.loads(scores.to_json(orient="records", double_precision=6)):
        row |= {"source": row["kind"], "net": f"{row['depth']} x {row['width']:,}"}
        rows.append(row | {"run_ids": json.loads(row["run_ids"]), "count_of": "gates trained"})
    return rows


def answer(scores: pd.DataFrame) -> str:
    """What should I use at depth 12? A sentence, of the data set and net that stand first."""
    there = scores[(scores["kind"] == TUNED) & (scores["depth"] == DEPTH)] if len(scores) else scores
    if not len(there):
        return f"No final run has depth {DEPTH} yet."
    there = there[there["dataset"] == there["dataset"].iloc[0]]
    first = there.sort_values("accuracy", ascending=False)
    ties, last = first[first["rank"] == 1], first.iloc[-1]
    names = [f"{row.method} ({100 * row.accuracy:.1f}%)" for row in ties.itertuples()]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    one = first.iloc[0]
    told = "stands alone at" if len(names) == 1 else "share"
    return (
        f"At depth {DEPTH} on {one['dataset']}, {one['gates']:,} gates, {one['iterations']:,} iterations and "
        f"{one['seeds']} seeds: {listed} {told} the first rank. Last is {last['method']} "
        f"({100 * last['accuracy']:.1f}%)."
    )


def about(scores: pd.DataFrame, missing: Sequence[str]) -> list[str]:
    """Sentences on how the rows came about."""
    if not len(scores):
        return list(missing)
    one = scores.iloc[0]
    nets = scores.groupby(["dataset", "depth", "width"], sort=False).ngroups
    seeds = " to ".join(str(n) for n in sorted({scores["seeds"].min(), scores["seeds"].max()}))
    return [
        f"Protocol version {VERSION} (docs/leaderboard.md). Every method had {one['trials']} trials on each of {nets} "
        f"nets, chosen on validation images, then {seeds} fresh seeds. Tuned: at its best trial. Default: at its "
        "first, with learning rate 0.01, temperature 1 and Adam's epsilon 1e-8.",
        "A method's rank is one more than the number of methods whose paired 95% interval over it lies above 0. Behind "
        "the best: seed by seed, to the tuned method with the highest mean. Gates left: after synthesis. Not reached: "
        f"fewer than half of the seeds reached {100 * one['target']:g}% within {one['iterations']:,} iterations.",
        "Milliseconds are of the fastest seed on one thread. Other work ran beside it, so compare iterations first.",
        "Papers count gates and tune in unlike ways. A reported row stands beside those measured here, not below.",
        *missing,
    ]


def make_page(trials: Preset, tried: Path, results: Path, folder: Path) -> list[Path]:
    """The page of final runs, tidy tables in `results`, that were chosen by trials, tidy tables in `tried`.

    Raises LgnError as choices and write_page.
    """
    chosen, missing = choices(trials, read_tables(tried).runs)
    finals = read_tables(results)
    scores = score_table(chosen, finals)
    records = Path(os.path.relpath(finals.path("runs"), folder)).as_posix()
    return write_page(scores, over_nets(scores, finals), missing, folder, records)


def write_page(
    scores: pd.DataFrame, overall: pd.DataFrame, missing: Sequence[str], folder: Path, records: str
) -> list[Path]:
    """Writes leaderboard.html, .json and .csv; returns the files. records: where the finals' tables are, for links.

    Raises LgnError where one of the names is that of another file.
    """
    make_folder(folder)
    paths = {name: folder / name for name in _BEGINS}
    for name, path in paths.items():
        require_ours(path, _BEGINS[name])
    rows = [row | {"id": index} for index, row in enumerate([*measured(scores), *reported()])]
    first = {"dataset": scores["dataset"].iloc[0] if len(scores) else "", "depth": DEPTH}
    content = {
        "answer": answer(scores), "about": about(scores, missing), "first": first, "records": records,
        "records_shown": records.lstrip("./"), "rows": rows,
        "overall": json.loads(overall.to_json(orient="records", double_precision=6)),
    }  # fmt: skip
    write_json(paths["leaderboard.json"], content)
    template = (resources.files("analysis.leaderboard") / "page.html").read_text(encoding="utf-8")
    text = json.dumps(content, allow_nan=False).replace("</", "<\\/")
    paths["leaderboard.html"].write_text(template.replace("/*DATA*/", text), encoding="utf-8")
    scores.to_csv(paths["leaderboard.csv"], index=False, lineterminator="\n")
    return list(paths.values())
