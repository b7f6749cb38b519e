"""Published numbers of the field, cited and never measured here, beside this suite's own where the same net ran."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import paper_values
from analysis.conditions import Setting, conditions, settings
from analysis.output import with_interval, write_table
from analysis.summary import condition_values
from analysis.tidy import Tables, read_tables

ABSTRACT, NOTES = "abstract", "reading notes"
"""Where a number was read; reported.csv has tables quoted elsewhere too."""

QUANTITIES = {
    # name -> in words, how it is shown, whether summary.condition_values measures it
    "final_accuracy": ("test accuracy", lambda share: f"{100 * share:.4g}%", True),
    "best_accuracy": ("best test accuracy", lambda share: f"{100 * share:.4g}%", True),
    "gap": ("discretization gap, points", lambda share: f"{100 * share:.2g}", True),
    "unused_share": ("unused gates", lambda share: f"{100 * share:.4g}%", True),
    "iterations_to_converge": ("iterations to within 1% of the best", lambda count: f"{count:,.0f}", True),
    "fewer_steps": ("training steps, fewer", lambda factor: f"{factor:g}x", False),
    "fewer_parameters": ("parameters, fewer", lambda factor: f"{factor:g}x", False),
    "faster_backward": ("backward pass, faster by up to", lambda factor: f"{factor:g}x", False),
    "images_a_second": ("images a second on one core", lambda count: f"{count:,.0f}", False),
}

DIFFLOGIC = "Petersen et al. 2022, arXiv:2210.08277"
LIGHT = "Ruettgers et al. 2025, arXiv:2510.03250"


@dataclass(frozen=True)
class Published:
    """One number of one paper. Where method, depth, width and thresholds are known, a preset may have the same net.

    value: shares in 0..1, else as QUANTITIES says. gates: of the whole net. temperature: of the gate distribution,
    None where there is none or it is not stated. relation: "about", ">" or nothing. spread, paper_seeds: as the paper
    states them. count_of: what `gates` counts.
    """

    work: str
    citation: str
    read: str
    dataset: str
    net: str
    quantity: str
    value: float
    gates: int | None = None
    method: str = ""
    depth: int | None = None
    width: int | None = None
    thresholds: int | None = None
    temperature: float | None = None
    relation: str = ""
    spread: float | None = None
    paper_seeds: int | None = None
    count_of: str = "gates trained"


def _reported() -> Iterable[Published]:
    """The test accuracies in reported.csv, percent there; a cell is empty where the paper does not say."""
    text = (Path(__file__).parent / "reported.csv").read_text(encoding="utf-8")
    row: dict[str, Any]
    for row in csv.DictReader(text.splitlines()):
        row["paper_seeds"] = row.pop("seeds")
        numbers = ("depth", "width", "thresholds", "gates", "paper_seeds")
        row |= {name: int(row[name]) if row[name] else None for name in numbers}
        spread, accuracy = row.pop("spread"), float(row.pop("accuracy")) / 100
        row["spread"] = float(spread) / 100 if spread else None
        yield Published(**row, quantity="final_accuracy", value=accuracy)


def _paper(method: str, quantity: str, value: float, relation: str = ""):
    temperature = paper_values.TEMPERATURE if method == "glgn" else None
    return _of_paper(method, quantity, value, temperature, paper_values.CITATION, relation)


def _of_paper(
    method: str, quantity: str, value: float, temperature: float | None, source: str, relation: str = ""
):
    depth, width, thresholds = paper_values.DEPTH, paper_values.WIDTH, paper_values.THRESHOLDS
    at = "" if temperature is None else f", tau {temperature:g}"
    return Published(
        "Mind the Gap", source, NOTES, paper_values.DATASET, f"{method.upper()}, {depth} x {width:,}{at}", quantity,
        value, depth * width, method, depth, width, thresholds, temperature, relation,
    )  # fmt: skip


PUBLISHED = (
    *(_paper(m, "final_accuracy", paper_values.FINAL_ACCURACY[m], relation="about") for m in ("dlgn", "glgn")),
    *(_paper(m, "gap", paper_values.GAP[m], relation="about") for m in ("dlgn", "glgn")),
    *(_paper(m, "unused_share", paper_values.UNUSED_SHARE[m]) for m in ("dlgn", "glgn")),
    *(
        _of_paper("glgn", quantity, row[column], row[0], f"{paper_values.CITATION}, Table 1")
        for row in paper_values.TEMPERATURE_SWEEP
        for column, quantity in ((1, "best_accuracy"), (2, "final_accuracy"), (3, "iterations_to_converge"))
    ),
    Published("difflogic", DIFFLOGIC, ABSTRACT, "mnist", "trained circuit", "images_a_second", 1_000_000, relation=">"),
    Published("Light DLGN", LIGHT, ABSTRACT, "cifar10", "4 parameters a gate", "fewer_parameters", 4),
    Published("Light DLGN", LIGHT, ABSTRACT, "cifar10", "4 parameters a gate", "fewer_steps", 8.5),
    Published("Light DLGN", LIGHT, ABSTRACT, "cifar10", "4 parameters a gate", "faster_backward", 1.86),
    *_reported(),
)  # fmt: skip

COLUMNS = (
    "work", "dataset", "net", "gates", "quantity", "relation", "published", "read", "measured", "measured_low",
    "measured_high", "seeds", "iterations", "recipe", "preset", "citation",
)  # fmt: skip
SHOWN = ("work", "data set", "net", "gates", "quantity", "published", "read in", "measured here", "citation")


def published_values(presets: Mapping[str, Tables]) -> pd.DataFrame:
    """A row a published number; beside it the mean of a preset's same net with its 95% interval, or nothing.

    The same net: data set, depth, width, thresholds, method, and temperature where one is stated. Batch size, budget
    and wiring may differ; iterations and recipe say what ran.
    """
    found = [(name, setting) for name, tables in presets.items() for setting in settings(tables.runs)]
    rows = []
    for entry in PUBLISHED:
        row = {name: getattr(entry, name) for name in COLUMNS if hasattr(entry, name)}
        row["published"] = entry.value
        same = matching(entry, [setting for _, setting in found])
        if same is not None and QUANTITIES[entry.quantity][2]:
            setting, condition = same
            row["preset"] = next(name for name, other in found if other is setting)
            values = condition_values(presets[row["preset"]], condition, np.nan)
            for ending in ("", "_low", "_high"):
                row[f"measured{ending}"] = values[f"{entry.quantity}{ending}"]
            row |= {"seeds": values["seeds"], "iterations": values["iterations_run"]}
            row["recipe"] = setting.recipe_text
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS).astype(
        {"gates": "Int64", "seeds": "Int64", "iterations": "Int64"}
    )


def matching(entry: Published, found: list[Setting]) -> tuple[Setting, pd.DataFrame] | None:
    """The condition of these settings that is the same net, and its setting; None where there is none.

    Of several the one whose recipe is least set apart, then of most seeds, then of the longest budget.
    """
    if not entry.method or entry.thresholds is None:
        return None
    candidates = []
    for setting in found:
        if (setting.dataset, setting.depth, setting.width) != (entry.dataset, entry.depth, entry.width):
            continue
        if entry.temperature is None:
            ran = [setting.conditions[entry.method]] if entry.method in setting.conditions else []
        else:
            ran = conditions(setting.runs[setting.runs["method"] == entry.method])
            ran = [part for part in ran if np.isclose(part["temperature"].iloc[0], entry.temperature)]
        candidates += [(setting, part) for part in ran if part["thresholds"].iloc[0] == entry.thresholds]
    return min(
        candidates,
        key=lambda pair: (len(pair[0].recipe), -len(pair[1]), -pair[1]["iterations"].iloc[0]),
        default=None,
    )


def published_shown(values: pd.DataFrame) -> pd.DataFrame:
    """published_values as text, for readers."""
    rows = []
    for _, row in values.iterrows():
        name, show, _ = QUANTITIES[row["quantity"]]
        ours = with_interval(row["measured"], row["measured_low"], row["measured_high"], show)
        if ours != "-":
            seeds = f"{row['seeds']} seed{'s' * (row['seeds'] != 1)}"
            parts = [
                ours,
                seeds,
                f"{row['iterations']:,} iterations",
                row["recipe"],
                f"preset {row['preset']}",
            ]
            ours = ", ".join(filter(None, parts))
        cells = (
            row["work"],
            row["dataset"],
            row["net"],
            "-" if pd.isna(row["gates"]) else f"{row['gates']:,}",
            name,
            f"{row['relation']} {show(row['published'])}".strip(),
            row["read"],
            ours,
            row["citation"],
        )
        rows.append(cells)
    return pd.DataFrame(rows, columns=SHOWN)


def write_published(folders: Iterable[Path], output: Path) -> list[Path]:
    """Writes <output>/published.md, .tex and .csv, with what presets (folders of tidy tables) ran beside."""
    values = published_values({folder.name: read_tables(folder) for folder in folders})
    return write_table("published", published_shown(values), output, values)
