"""Many records -> tidy tables: which records belong together, and one table for each kind of row."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.records import HISTORY_COLUMNS, LAYER_COLUMNS, Record, layer_column, layers, read_record
from lgn.errors import LgnError
from lgn.gates import NAMES

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
    first: dict[tuple[str, object], tuple[Record, object]] = {}
    settings: dict[str, Record] = {}
    for record in records:
        run = record.run
        for field, among in (("training_semantics", "all runs"), ("data_sha256", run["settings"]["dataset"])):
            other, value = first.setdefault((field, among), (record, run[field]))
            if run[field] != value:
                raise LgnError(
                    f"{record.path}: {field}: {run[field]}, but {value} in {other.path}; allowed: one value for {among}"
                )
        same = settings.setdefault(repr(sorted(run["settings"].items())), record)
        if same is not record:
            raise LgnError(
                f"{record.path}: has the settings of {same.path}; allowed: every point of the design once"
            )
        yield record


def tidy_tables(records: Iterable[Record]) -> dict[str, pd.DataFrame]:
    """Tables by name: runs, history, layers, gates, entropies (columns: the functions below)."""
    parts = {"runs": [], "history": [], "layers": [], "gates": [], "entropies": []}
    for record in check_together(records):
        parts["runs"].append(pd.DataFrame([run_row(record)]))
        parts["history"].append(history_rows(record))
        parts["layers"].append(layer_rows(record))
        parts["gates"].append(gate_rows(record))
        parts["entropies"].append(entropy_rows(record))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


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


def history_rows(record: Record) -> pd.DataFrame:
    """Rows of history.csv: GROUPING and a column a metric; a row an evaluation. Layers have their own table."""
    rows = record.history[list(HISTORY_COLUMNS)]
    whole = record.run | record.run["settings"]
    return pd.concat(
        [pd.DataFrame({name: whole.get(name) for name in GROUPING}, index=rows.index), rows], axis=1
    )


def layer_rows(record: Record) -> pd.DataFrame:
    """Rows of layers.csv: run_id, iteration, layer and LAYER_COLUMNS; a row an evaluation and layer."""
    frames = []
    for layer in layers(record.run["settings"]["depth"]):
        columns = {name: record.history[layer_column(name, layer)] for name in LAYER_COLUMNS}
        frames.append(pd.DataFrame({"iteration": record.history["iteration"], "layer": layer, **columns}))
    rows = pd.concat(frames).sort_values(["iteration", "layer"], kind="stable")
    rows.insert(0, "run_id", record.run["run_id"])
    return rows


def gate_rows(record: Record) -> pd.DataFrame:
    """Rows of gates.csv: run_id, layer, gate (name), count; how often each gate is chosen at the end."""
    counts = record.gates["counts"]
    depth = len(counts)
    return pd.DataFrame(
        {
            "run_id": record.run["run_id"],
            "layer": np.repeat(layers(depth), len(NAMES)),
            "gate": np.tile(NAMES, depth),
            "count": counts.ravel(),
        }
    )


def entropy_rows(record: Record) -> pd.DataFrame:
    """Rows of entropies.csv: run_id, moment (initial, final), layer, low, high (nats), count; empty bins left out.

    A neuron whose entropy is exactly an edge counts below it, so sums over bins give shares above a threshold.
    """
    frames = []
    for moment, name in (("initial", "initial_entropies"), ("final", "entropies")):
        for layer, values in enumerate(record.gates[name], start=1):
            bins = np.clip(np.searchsorted(ENTROPY_BINS, values, side="left") - 1, 0, len(ENTROPY_BINS) - 2)
            counts = np.bincount(bins, minlength=len(ENTROPY_BINS) - 1)
            used = np.flatnonzero(counts)
            frames.append(
                pd.DataFrame(
                    {
                        "run_id": record.run["run_id"],
                        "moment": moment,
                        "layer": layer,
                        "low": ENTROPY_BINS[used],
                        "high": ENTROPY_BINS[used + 1],
                        "count": counts[used],
                    }
                )
            )
    return pd.concat(frames)


def collect(runs: Path, output: Path, listed: Iterable[str] | None = None) -> list[Path]:
    """Writes <output>/<table>.csv from records; returns the files. Raises LgnError as its parts do."""
    tables = tidy_tables(read_record(directory) for directory in record_directories(runs, listed))
    output.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in tables.items():
        paths.append(output / f"{name}.csv")
        table.to_csv(paths[-1], index=False, lineterminator="\n")
    return paths
