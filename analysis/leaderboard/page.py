"""The leaderboard's page: rows measured here beside rows that papers report, in one HTML file that needs no other."""

import json
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pandas as pd

from analysis.leaderboard.scores import FREE, TUNED, VERSION, over_nets, score_table
from analysis.leaderboard.trials import choices
from analysis.published import PUBLISHED
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
    """A row a test accuracy that a paper reports (analysis.published); accuracy and spread as shares in 0..1."""
    return [
        {
            "kind": "reported", "method": entry.method or entry.work, "dataset": entry.dataset, "net": entry.net,
            "depth": entry.depth, "gates": entry.gates, "count_of": entry.count_of, "accuracy": entry.value,
            "relation": entry.relation, "spread": entry.spread, "seeds": entry.paper_seeds, "citation": entry.citation,
        }
        for entry in PUBLISHED
        if entry.quantity == "final_accuracy"
    ]  # fmt: skip


def measured(scores: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of score_table as JSON has them: None for NaN, run_ids as a list."""
    rows = []
    for row in json.loads(scores.to_json(orient="records", double_precision=6)):
        row["net"] = f"{row['depth']} x {row['width']:,}"
        count_of = "at most" if row["kind"] == FREE else "gates trained"
        rows.append(row | {"run_ids": json.loads(row["run_ids"]), "count_of": count_of})
    return rows


def answer(scores: pd.DataFrame) -> str:
    """What should I use at depth 12, and what at any depth? Sentences on the data set and net that stand first."""
    there = scores[(scores["kind"] == TUNED) & (scores["depth"] == DEPTH)] if len(scores) else scores
    if not len(there):
        return f"No final run has depth {DEPTH} yet."
    first = there[there["dataset"] == there["dataset"].iloc[0]].sort_values("accuracy", ascending=False)
    one, last = first.iloc[0], first.iloc[-1]
    said = (
        f"At depth {DEPTH} on {one['dataset']}, {one['gates']:,} gates, {one['iterations']:,} iterations and "
        f"{one['seeds']} seeds: {_first_rank(first)}. Last is {last['method']} ({100 * last['accuracy']:.1f}%)."
    )
    free = scores[(scores["kind"] == FREE) & (scores["dataset"] == one["dataset"])]
    free = free[free["gates"] == one["gates"]].sort_values("accuracy", ascending=False)
    return f"{said} At the depth that suits each: {_first_rank(free, depths=True)}." if len(free) else said


def _first_rank(rows: pd.DataFrame, depths: bool = False) -> str:
    """The methods of rank 1, best first, with their accuracies: "A (91.7%) and B (90.8%) share the first rank"."""
    names = [
        f"{row.method} ({f'depth {row.depth}, ' * depths}{100 * row.accuracy:.1f}%)"
        for row in rows[rows["rank"] == 1].itertuples()
    ]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{listed} {'has' if len(names) == 1 else 'share'} the first rank"


def about(scores: pd.DataFrame, missing: Sequence[str]) -> list[str]:
    """Sentences on how the rows came about."""
    if not len(scores):
        return list(missing)
    nets = scores.groupby(["dataset", "depth", "width"], sort=False).ngroups
    targets = scores.dropna(subset=["target"]).drop_duplicates("dataset")
    shown = ", ".join(f"{100 * row.target:g}% on {row.dataset}" for row in targets.itertuples())
    return [
        f"Protocol version {VERSION} (docs/leaderboard.md). Every method had {_values(scores['trials'])} trials on "
        f"each of {nets} nets, chosen on validation images, then {_values(scores['seeds'])} fresh seeds. Tuned: at its "
        "best trial. Default: at its first. Best net: at the best trial of all its nets of at most so many gates, "
        "compared with the best nets of the others. A row's details state its setting.",
        "A method's rank is one more than the number of methods whose paired 95% interval over it lies above 0. Behind "
        "the best: seed by seed, to the tuned method with the highest mean. Gates left: after synthesis. Not reached: "
        f"fewer than half of the seeds reached the target, {shown}, within {_values(scores['iterations'])} iterations.",
        "Milliseconds are of the fastest seed, since other work on a machine only adds. Compare iterations first.",
        "Papers count gates and tune in unlike ways. A reported row stands beside those measured here, not below.",
        *missing,
    ]


def _values(column: pd.Series) -> str:
    return " or ".join(f"{value:,}" for value in sorted(column.unique()))


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
