"""A preset for the workflow: tables, paths, resources and command-line arguments of its runs."""

import json
import math
import os
import sys
from functools import cached_property
from pathlib import Path

import pandas as pd

from lgn.memory import needed_bytes
from lgn.methods import METHODS, method_label
from lgn.run import Execution, Run
from study.preset import Preset, expand, probed

START_MINUTES = 10
"""Time outside training on a slow shared file system: imports, compilation, data, the record."""

STEP_SECONDS, IMAGE_SECONDS = 300e-9, 8e-9
"""Seconds per gate and step, and per gate and image: about three times those of the numba kernels on one thread."""

SHORT_MINUTES = 60
"""Shorter trainings, by estimate, may share one cluster job."""


class Design:
    """The runs of one preset, by their hash."""

    def __init__(self, preset: Preset):
        self.preset = preset
        self.runs: dict[str, Run] = {run.hash: run for run in expand(preset)}

    @property
    def labels(self) -> pd.DataFrame:
        """One row per run: the parts of its id as strings, from which Paramspace makes paths."""
        return pd.DataFrame([run.labels for run in self.runs.values()])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per run: run_id, method, every setting, and the preset's primary temperature if it has one."""
        stated = {} if self.preset.primary is None else {"primary": self.preset.primary}
        rows = [
            {"run_id": run.run_id, "method": run.method, **run.model_dump(), **stated}
            for run in self.runs.values()
        ]
        return pd.DataFrame(rows)

    @property
    def datasets(self) -> dict[str, str]:
        """The runs' data sets: label in file names -> name or path."""
        return {run.dataset_label: run.dataset for run in self.runs.values()}

    @cached_property
    def probes(self) -> dict[str, dict[str, str]]:
        """probe -> run_id -> run_id of the DLGN at the other end of the line ("" for every probe but `line`).

        A line needs a DLGN that differs from the run only in the method; a run without one is left out.
        """
        found = {
            probe: {run.run_id: self._partner(run) if probe == "line" else "" for run in runs}
            for probe, runs in probed(self.preset).items()
        }
        if "line" in found:
            found["line"] = {run_id: partner for run_id, partner in found["line"].items() if partner}
        return {probe: runs for probe, runs in found.items() if runs}

    def _partner(self, run: Run) -> str:
        dlgn = run.model_copy(update=METHODS["dlgn"])
        found = self.runs.get(dlgn.hash)
        return found.run_id if found and run.method != "dlgn" else ""

    def arguments(self, run_hash: str) -> list[str]:
        """key=value arguments of `lgn train` for one run: the settings in its hash.

        Defaults are left out, so that a key added later does not make Snakemake train everything again.
        """
        settings = self.runs[run_hash].model_dump(exclude_defaults=True)
        return [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}"
            for key, value in settings.items()
        ]

    def memory_mb(self, run_hash: str) -> int:
        """An upper bound on a run's memory in multiples of 100 MiB, with activations even if they are on a GPU."""
        execution = self.preset.execution
        backend = "numba" if execution.backend == "auto" else execution.backend
        needed = needed_bytes([self.runs[run_hash]], backend, "cpu", execution.snapshots)
        return 100 * math.ceil(needed / (100 * 2**20))

    def minutes(self, run_hash: str) -> int:
        """A generous upper bound on a run's minutes."""
        return START_MINUTES + math.ceil(training_seconds(self.runs[run_hash]) / 60)

    def group(self, run_hash: str) -> str | None:
        """`short_trainings`: a profile may put several into one job. None: the run has its own job."""
        return "short_trainings" if self.minutes(run_hash) < SHORT_MINUTES else None


def training_seconds(run: Run) -> float:
    """A conservative estimate for one thread, with evaluations, limited by the run's time budget."""
    lanes = -(-run.batch_size // 64) * 64
    # 20,000: no data set has more test and validation images.
    evaluated = run.evaluations * (run.train_evaluation_images + 20_000)
    images = run.iterations * lanes + evaluated
    seconds = run.depth * run.width * (run.iterations * STEP_SECONDS + images * IMAGE_SECONDS)
    # The budget's clock stops while the run evaluates.
    return seconds if run.time_budget_seconds is None else min(seconds, 1.25 * run.time_budget_seconds)


def summary(design: Design, cores: int) -> str:
    """One line: what a preset trains, how long that takes at most, where its records go."""
    runs = list(design.runs.values())
    methods = ", ".join(dict.fromkeys(method_label(run.method) for run in runs))
    nets = dict.fromkeys(f"{run.dataset_label} {run.depth} x {run.width}" for run in runs)
    shown = next(iter(nets)) if len(nets) == 1 else f"{len(nets)} nets from {next(iter(nets))}"
    # The estimate allows for three times the measured time of a step.
    minutes = math.ceil(sum(map(training_seconds, runs)) / 3 / 60 / cores)
    preset = design.preset
    return (
        f"{preset.preset}: {len(runs)} runs of {methods} on {shown}, up to {minutes:,} minutes of training on "
        f"{cores} {'core' if cores == 1 else 'cores'}; records in {preset.results_dir}/{preset.preset}"
    )


def gpu_request(execution: Execution) -> dict[str, int | str]:
    """Resources of a training that uses a GPU: the device asks for one, or is auto and this machine has one."""
    asked = execution.device.startswith("cuda") or (
        execution.device == "auto" and execution.backend != "numba" and a_gpu_is_here()
    )
    return {"gpu": 1, "gpu_manufacturer": "nvidia"} if asked else {}


def a_gpu_is_here() -> bool:
    """Whether /dev shows an NVIDIA GPU; importing torch would take seconds of planning."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def write_design(design: Design, table: str, run_ids: str) -> None:
    """Writes the design as a CSV table, and its run ids as lines of a text file."""
    design.table.to_csv(table, index=False, lineterminator="\n")
    with open(run_ids, "w", encoding="utf-8") as file:
        file.writelines(f"{run_id}\n" for run_id in design.table["run_id"])


def prepare_shell(data_dir: str | None) -> None:
    """Sets the environment of workflow rules' shells.

    `python` is this interpreter, so no virtual environment need be active. LGN_DATA is data_dir if given.
    """
    if data_dir:
        os.environ["LGN_DATA"] = data_dir
    folder = os.path.dirname(sys.executable)
    if os.environ["PATH"].split(os.pathsep)[0] != folder:
        os.environ["PATH"] = folder + os.pathsep + os.environ["PATH"]
