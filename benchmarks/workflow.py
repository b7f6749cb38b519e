"""How planning, the call that finds nothing to do, and collecting grow with the number of runs: workflow.csv.

One run of each method is trained; all others are copies of its record under their own settings and seeds. They stand in
for trained runs here alone, where nothing is read from them but time and memory.
"""

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import yaml

from lgn.data import default_data_dir
from lgn.methods import METHODS
from lgn.records import read_run, read_weights, write_record
from lgn.run import Execution, Run
from lgn.train import train
from study.plan import Design, write_design
from study.preset import Preset, read_preset

COLUMNS = ["runs", "step", "seconds", "memory_mib"]
RUNS, QUICK_RUNS = (100, 300, 1000, 3000, 10_000), (20, 60)
LIMIT_SECONDS, LIMIT_MIB = 120, 2048
"""Limits of a step with 10,000 runs."""

STEPS = {
    "dag": "snakemake -n, nothing done",
    "noop": "snakemake, all done",
    "collect": "collect",
    "claims": "claims",
    "tables": "tables",
    "figures": "all figures",
}
"""The measured steps and their names in the figure."""
ROOT = Path(__file__).resolve().parent.parent
SAMPLE_SECONDS = 0.05
TOUCH = """
import sys
from snakemake.cli import main
from snakemake.executors.touch import Executor
Executor.SLEEPING_TIME = 0
main(sys.argv[1:])
"""
"""`snakemake --touch` without its sleep of 0.1 s per job: with 10,000 jobs, a quarter of an hour."""


def run_workflow(report: Callable[[str], None], quick: bool = False) -> tuple[pd.DataFrame, list[str]]:
    """workflow.csv, and a note on the copies in place of trained runs."""
    rows = []
    for runs in QUICK_RUNS if quick else RUNS:
        with tempfile.TemporaryDirectory() as folder:
            for row in measure(Path(folder), runs):
                report(f"{runs} runs: {row['step']} {row['seconds']:.1f} s, {row['memory_mib']:.0f} MiB")
                rows.append(row)
    note = f"records of {', '.join(METHODS)}: one trained run each, copied under the other runs' ids"
    return pd.DataFrame(rows, columns=COLUMNS), [note]


def measure(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    """One row per step, in an empty folder."""
    study = write_preset(folder, runs)
    results, figures = folder / "results" / study.preset, folder / "paper_figures" / study.preset

    def row(step: str, command: Sequence[str], expected: str = "") -> dict[str, object]:
        return {"runs": runs, "step": step, **cost(command, expected)}

    yield row("dag", snakemake(folder, "--dry-run"), "Job stats:")
    fill(study, results)
    shared = ("--results", results)
    records = ("--runs", results / "runs", "--run-ids", results / "run_ids.txt")
    yield row("collect", python("analysis", "collect", *records, "--output", results))
    yield row("claims", python("analysis", "claims", *shared))
    for step in ("tables", "figures"):
        yield row(step, python("analysis", step, *shared, "--output", figures))
    # Snakemake must record all files as its own. With as many cores as runs it schedules them at once.
    cost([sys.executable, "-c", TOUCH, *snakemake(folder, "--cores", str(runs), "--touch", "--forceall")[3:]])
    yield row("noop", snakemake(folder, "--cores", "1"), "Nothing to be done")


def write_preset(folder: Path, runs: int) -> Preset:
    """The study of preset(), also written as a file to a folder."""
    path = folder / "preset.yaml"
    path.write_text(yaml.safe_dump(preset(runs)), encoding="utf-8")
    return read_preset(path)


def preset(runs: int) -> dict[str, object]:
    """A study with this number of runs, a multiple of four: methods x temperatures x seeds, about as many of each."""
    if runs < 4 or runs % len(METHODS):
        raise ValueError(f"runs: {runs}; allowed: multiples of {len(METHODS)}")
    settings = runs // len(METHODS)
    temperatures = max(n for n in range(1, math.isqrt(settings) + 1) if settings % n == 0)
    return {
        "preset": "workflow",
        "base": {
            "dataset": "digits", "thresholds": 4, "depth": 4, "width": 200, "group_temperature": 4, "batch_size": 32,
            "iterations": 400,
        },
        "seeds": list(range(settings // temperatures)),
        "sweeps": [
            {"vary": {"method": list(METHODS), "temperature": [(1 + n) / 16 for n in range(temperatures)]}}
        ],
        "primary": 1 / 16,
        "execution": {"backend": "torch"},
    }  # fmt: skip


def fill(study: Preset, results: Path) -> None:
    """Writes the analysis' inputs: the design, the data set's report, and a record of every run.

    It trains the first run of each method; the others get copies of its record.
    """
    folder, design = results / "runs", Design(study)
    originals: dict[str, Run] = {}
    copies = [run for run in design.runs.values() if originals.setdefault(run.method, run) is not run]
    for run in originals.values():
        train(run, folder / run.run_id, default_data_dir(), Execution(backend="torch", device="cpu"))
    contents = {method: _content(folder / run.run_id) for method, run in originals.items()}
    # Threads, because writing a record mostly waits for the disk.
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda run: _copy(contents[run.method], run, folder / run.run_id), copies))
    write_design(design, str(results / "design.csv"), str(results / "run_ids.txt"))
    (results / "data").mkdir()
    for dataset in design.datasets:
        cost(python("lgn", "fetch", dataset, "--report", results / "data" / f"{dataset}.json"))


def _content(directory: Path) -> tuple:
    """A record as arguments of write_record."""
    history = pd.read_csv(directory / "history.csv").to_dict("records")
    with np.load(directory / "gates.npz") as gates:
        return read_run(directory), history, dict(gates), read_weights(directory)


def _copy(content: tuple, run: Run, directory: Path) -> None:
    record, history, gates, weights = content
    directory.mkdir(parents=True)
    named = record | {"run_id": run.run_id, "settings": run.model_dump()}
    write_record(directory, named, history, gates, weights, {})


def python(module: str, *arguments: object) -> list[str]:
    """Command line of a module."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def snakemake(folder: Path, *arguments: str) -> list[str]:
    """Command line of a Snakemake call in a folder that holds a preset."""
    places = (
        "--snakefile",
        ROOT / "Snakefile",
        "--directory",
        folder,
        "--configfile",
        folder / "preset.yaml",
    )
    return python("snakemake", *places, *arguments)


def cost(command: Sequence[str], expected: str = "") -> dict[str, float]:
    """Seconds of a command, and the peak memory of it and its children together, in MiB.

    Raises RuntimeError if it fails, or if its output lacks the expected words.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT)
        peak = 0
        while process.poll() is None:
            peak = max(peak, _resident(process.pid))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - begun
        printed.seek(0)
        output = printed.read()
    if process.returncode or expected not in output:
        raise RuntimeError(f"{' '.join(command)}: ended with {process.returncode}:\n{output[-2000:]}")
    return {"seconds": seconds, "memory_mib": peak / 2**20}


def _resident(pid: int) -> int:
    """Bytes of a process and all its descendants; 0 for processes that have just ended."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total
