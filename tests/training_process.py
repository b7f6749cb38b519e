"""Trainings in processes of their own, which tests may kill, starve and interrupt."""

import csv
import os
import subprocess
import sys
from pathlib import Path

from lgn.records import CHECKPOINT

SETTINGS = dict(
    dataset="digits", thresholds=4, depth=3, width=200, temperature=0.5, group_temperature=4, batch_size=32,
    noise="gumbel", straight_through=True, evaluations=12, iterations=3000, seed=0,
)  # fmt: skip
CLOCKS = ("training_seconds", "elapsed_seconds")

_PROGRAM = """
import math, sys
from lgn import state
state.CHECKPOINT_SECONDS, state.CHECKPOINT_SHARE = float(sys.argv[1]), math.inf
from study.terminal import ProgressBar
ProgressBar.LINE_SECONDS = 0.0
from lgn.cli import main
sys.exit(main(sys.argv[2:]))
"""


def start(output: Path, *arguments: str, checkpoint_seconds: float = 0.05, limit=None, **changed):
    """Starts `lgn train` with a checkpoint that often; limit is called in the new process, before anything else."""
    settings = [f"{key}={value}" for key, value in (SETTINGS | changed).items()]
    command = [sys.executable, "-c", _PROGRAM, str(checkpoint_seconds), "train", *settings]
    return subprocess.Popen(
        [*command, "--output", str(output), "--data-dir", str(output.parent / "no_data"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=limit,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def run(output: Path, *arguments: str, **options):
    """start(), to the end: (exit status, output)."""
    process = start(output, *arguments, **options)
    printed, _ = process.communicate()
    return process.returncode, printed


def wait_until_it_trains(process) -> None:
    """Returns when the process has printed a row of its history that comes after a step."""
    for line in process.stdout:
        if "iteration " in line and "iteration 0/" not in line:
            return
    raise AssertionError(f"it ended before it trained: {process.wait()}")


def record_bytes(directory: Path) -> dict[str, object]:
    """All of a record that interruptions must not change: history without its clocks, gates and weights as bytes."""
    with open(directory / "history.csv", newline="") as file:
        history = [{k: v for k, v in row.items() if k not in CLOCKS} for row in csv.DictReader(file)]
    binary = {name: (directory / name).read_bytes() for name in ("gates.npz", "weights.safetensors")}
    return {"history.csv": history, **binary}


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


RECORD = ["gates.npz", "history.csv", "run.json", "weights.safetensors"]
UNFINISHED = [CHECKPOINT]
