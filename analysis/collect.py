"""Many records -> tidy tables: which records belong together, and one table for each kind of row."""

import csv
import itertools
import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.records import (
    GRADIENT_COLUMNS,
    HISTORY_COLUMNS,
    LAYER_COLUMNS,
    Record,
    layer_column,
    layers,
    read_record,
)
from analysis.tidy import TABLES
from lgn.errors import LgnError
from lgn.files import make_folder, require_ours
from lgn.gates import NAMES
from study.primary import check_primary

GROUPING = (
    "run_id",
    "method",
    "dataset",
    "depth",
    "width",
    "noise",
    "straight_through",
    "temperature",
    "seed",
)
"""Columns that history.csv repeats from runs.csv, so that it can be grouped by itself."""

ENTROPY_BINS = np.linspace(0, np.log(16), 65)
"""Edges, in nats, of the entropy histograms: 64 bins from certainty to all gates alike."""


def record_directories(runs: Path, listed: Iterable[str] | None = None) -> list[Path]:
    """Directories of the records to collect, in the order of their run ids.

    listed: run ids, or paths of run.json files; without it every directory below `runs` that has a run.json.
    Raises LgnError where there is none, where a listed one is missing, or one is listed twice.
    """
    if listed is None:
        if not runs.is_dir():
            raise LgnError(f"{runs}: is not a folder; allowed: the folder of a preset's run records")
        found = [path.parent for path in runs.glob("*/run.json")]
    else:
        found = [_listed_directory(runs, line.strip()) for line in listed if line.strip()]
    if not found:
        raise LgnError(f"{runs}: holds no finished run; allowed: at least one folder with a run.json")
    found.sort(key=lambda path: path.name)
    for one, other in itertools.pairwise(found):
        if one.name == other.name:
            raise LgnError(f"{one.name}: is listed twice; allowed: every run once")
    return found


def read_run_ids(path: Path) -> list[str]:
    """The lines of a file of run ids. Raises LgnError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LgnError(
            f"{path}: cannot be read as a list of run ids ({' '.join(str(error).split())})"
        ) from None


def _listed_directory(runs: Path, line: str) -> Path:
    directory = Path(line).parent if Path(line).name == "run.json" else runs / line
    if not (directory / "run.json").is_file():
        raise LgnError(f"{directory / 'run.json'}: is missing; allowed: the records of finished runs")
    return directory


def check_together(records: Iterable[Record]) -> Iterator[Record]:
    """Passes records on, refusing the first that cannot stand in one table with those before it.

    Raises LgnError naming both records, the field and its values.
    """
    # Of the records before, what is compared alone: all of 10,000 would fill the memory.
    first: dict[tuple[str, object], tuple[Path, object]] = {}
    for record in records:
        run = record.run
        settings = run["settings"]
        # The digest is that of the splits, which the share decides.
        data = f"{settings['dataset']} at validation_share {settings['validation_share']:g}"
        for field, among in (("training_semantics", "all runs"), ("data_sha256", data)):
            other, value = first.setdefault((field, among), (record.path, run[field]))
            if run[field] != value:
                raise LgnError(
                    f"{record.path}: {field}: {run[field]}, but {value} in {other}; allowed: one value for {among}"
                )
        yield record


def run_row(record: Record) -> dict:
    """A row of runs.csv: identity, every setting, what the record says of itself, environment_*, final_*."""
    run = record.run
    return {
        "run_id": run["run_id"],
        "method": run["method"],
        **run["settings"],
        "status": run["status"],
        "inputs": run["inputs"],
        "unused_threshold": run["unused_threshold"],
        "data_sha256": run["data_sha256"],
        "record_version": run["record_version"],
        "training_semantics": run["training_semantics"],
        **{f"environment_{key}": value for key, value in run["environment"].items()},
        **{f"final_{name}": run["final"].get(name) for name in HISTORY_COLUMNS},
    }


def history_rows(record: Record) -> dict[str, Iterable]:
    """Columns of history.csv: GROUPING and a column a metric; a row an evaluation. Layers have their own table."""
    whole = record.run | record.run["settings"]
    values = record.history[list(HISTORY_COLUMNS)].to_numpy(float)
    return (
        {name: itertools.repeat(whole.get(name)) for name in GROUPING}
        | dict(zip(HISTORY_COLUMNS, values.T, strict=True))
        | {"iteration": record.history["iteration"].to_numpy()}
    )


def layer_rows(record: Record) -> dict[str, Iterable]:
    """Columns of layers.csv: run_id, iteration, layer, LAYER_COLUMNS, GRADIENT_COLUMNS; a row an evaluation, layer."""
    numbers = layers(record.run["settings"]["depth"])
    columns = (*LAYER_COLUMNS, *GRADIENT_COLUMNS)
    names = [layer_column(name, layer) for name in columns for layer in numbers]
    values = record.history[names].to_numpy(float).reshape(-1, len(columns), len(numbers))
    return {
        "run_id": itertools.repeat(record.run["run_id"]),
        "iteration": np.repeat(record.history["iteration"].to_numpy(), len(numbers)),
        "layer": np.tile(numbers, len(values)),
    } | {name: values[:, index].ravel() for index, name in enumerate(columns)}


def gate_rows(record: Record) -> dict[str, Iterable]:
    """Columns of gates.csv: run_id, layer, gate (name), count; how often each gate is chosen at the end."""
    counts = record.gates["counts"]
    return {
        "run_id": itertools.repeat(record.run["run_id"]),
        "layer": np.repeat(layers(len(counts)), len(NAMES)),
        "gate": NAMES * len(counts),
        "count": counts.ravel(),
    }


def entropy_rows(record: Record) -> pd.DataFrame:
    """Rows of entropies.csv: run_id, moment (initial, final), layer, low, high (nats), count; empty bins left out.

    A neuron whose entropy is exactly an edge counts below it, so sums over bins give shares above a threshold. One
    whose logits became NaN has none and counts nowhere.
    """
    values = np.stack([record.gates["initial_entropies"], record.gates["entropies"]])
    bins = np.clip(np.searchsorted(ENTROPY_BINS, values, side="left") - 1, 0, len(ENTROPY_BINS) - 2)
    # One histogram for all: the layers of both moments stand behind each other.
    rows = np.arange(values[..., 0].size).reshape(*values.shape[:2], 1)
    size = len(ENTROPY_BINS) - 1
    counts = np.bincount((rows * size + bins)[~np.isnan(values)], minlength=rows.size * size).reshape(
        *rows.shape[:2], size
    )
    moment, layer, used = np.nonzero(counts)
    return pd.DataFrame(
        {
            "run_id": record.run["run_id"],
            "moment": np.array(["initial", "final"])[moment],
            "layer": layer + 1,
            "low": ENTROPY_BINS[used],
            "high": ENTROPY_BINS[used + 1],
            "count": counts[moment, layer, used],
        }
    )


ROWS = {"history": history_rows, "layers": layer_rows, "gates": gate_rows, "entropies": entropy_rows}
"""What makes the tables with many rows a run."""


def collect(
    runs: Path, output: Path, listed: Iterable[str] | None = None, primary: float | None = None
) -> list[Path]:
    """Writes <output>/<table>.csv from records; returns the files. Raises LgnError as its parts do.

    Those of many rows a run grow record by record: of many runs they are larger than memory. primary: the temperature
    that the preset states for GLGN, a column of runs.csv then; LgnError where no GLGN ran at it.
    """
    records = check_together(read_record(directory) for directory in record_directories(runs, listed))
    make_folder(output)
    for name in TABLES:
        require_ours(output / f"{name}.csv", "run_id,")
    with tempfile.TemporaryDirectory(prefix=".collect-", dir=output) as aside:
        _write_tables(records, Path(aside), primary)
        # Only now, so that records that are refused leave the tables that were there as they were.
        return [(Path(aside) / f"{name}.csv").replace(output / f"{name}.csv") for name in TABLES]


def _write_tables(records: Iterable[Record], folder: Path, primary: float | None) -> None:
    stated = {} if primary is None else {"primary": primary}
    run_rows: list[dict] = []
    with ExitStack() as files:
        writers = {
            name: csv.writer(
                files.enter_context(open(folder / f"{name}.csv", "w", encoding="utf-8", newline="")),
                lineterminator="\n",
            )
            for name in ROWS
        }
        for record in records:
            for name, make_rows in ROWS.items():
                columns = make_rows(record)
                if not run_rows:
                    writers[name].writerow(columns)
                # Several times as fast as a frame a record and its to_csv, and the same text.
                writers[name].writerows(zip(*(_cells(column) for _, column in columns.items()), strict=False))
            run_rows.append(run_row(record) | stated)
    check_primary(primary, ((row["method"], row["temperature"]) for row in run_rows), "records")
    # object: how a number is written is not to depend on what other runs have in its column.
    pd.DataFrame(run_rows, dtype=object).to_csv(folder / "runs.csv", index=False, lineterminator="\n")


def _cells(column: Any) -> Iterable:
    """Values as Python's own, None where there is no number."""
    values = column.tolist() if isinstance(column, np.ndarray | pd.Series) else column
    if getattr(column, "dtype", None) == np.float64 and np.isnan(column).any():
        return [None if math.isnan(value) else value for value in values]
    return values
