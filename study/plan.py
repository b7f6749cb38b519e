"""A preset as the workflow needs it: tables, paths and command-line arguments of its runs."""

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
"""Room for what comes before and after training, on a slow shared file system: imports, compiling, data, the record."""

STEP_SECONDS, IMAGE_SECONDS = 300e-9, 8e-9
"""Time of a gate in a step, and for each image of it: about three times what Numba's kernels took on one thread."""

SHORT_MINUTES = 60
"""Trainings estimated below this may share one job of a cluster with others."""


class Design:
    """The runs of one preset, by the hash in their id."""

    def __init__(self, preset: Preset):
        self.preset = preset
        self.runs: dict[str, Run] = {run.hash: run for run in expand(preset)}

    @property
    def labels(self) -> pd.DataFrame:
        """A row a run, the parts of its id as strings: what Paramspace makes paths of."""
        return pd.DataFrame([run.labels for run in self.runs.values()])

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a run: run_id, method, every setting, and the preset's primary temperature where it states one."""
        stated = {} if self.preset.primary is None else {"primary": self.preset.primary}
        rows = [
            {"run_id": run.run_id, "method": run.method, **run.model_dump(), **stated}
            for run in self.runs.values()
        ]
        return pd.DataFrame(rows)

    @property
    def datasets(self) -> dict[str, str]:
        """The data sets that the runs need: what stands for each in names of files -> its name, or its path."""
        return {run.dataset_label: run.dataset for run in self.runs.values()}

    @cached_property
    def probes(self) -> dict[str, dict[str, str]]:
        """probe -> run_id of each run it measures -> run_id of the DLGN it is joined to ("" but for the probe line).

        A line needs a DLGN that differs from its run in the method alone; a run without one is left out.
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
        """key=value arguments of `lgn train` for one run: those that its hash is made of.

        Defaults are left out here too, or a key added later would make Snakemake train everything anew.
        """
        settings = self.runs[run_hash].model_dump(exclude_defaults=True)
        return [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}"
            for key, value in settings.items()
        ]

    def memory_mb(self, run_hash: str) -> int:
        """A bound on a run's memory, in whole hundreds of MiB; activations on a GPU are counted all the same."""
        execution = self.preset.execution
        backend = "numba" if execution.backend == "auto" else execution.backend
        needed = needed_bytes([self.runs[run_hash]], backend, "cpu", execution.snapshots)
        return 100 * math.ceil(needed / (100 * 2**20))

    def minutes(self, run_hash: str) -> int:
        """A generous bound on how long a run takes."""
        return START_MINUTES + math.ceil(training_seconds(self.runs[run_hash]) / 60)

    def group(self, run_hash: str) -> str | None:
        """`short_trainings`, of which a profile may put several into one job; None for those that stay alone."""
        return "short_trainings" if self.minutes(run_hash) < SHORT_MINUTES else None


def training_seconds(run: Run) -> float:
    """A conservative estimate for one thread, evaluations included, and no more than its time budget allows."""
    lanes = -(-run.batch_size // 64) * 64
    # 20,000: more test and validation images than any of the data sets has.
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
    """Resources of a training that will use a GPU: one that is asked for, or for device auto the one that is here."""
    asked = execution.device.startswith("cuda") or (
        execution.device == "auto" and execution.backend != "numba" and a_gpu_is_here()
    )
    return {"gpu": 1, "gpu_manufacturer": "nvidia"} if asked else {}


def a_gpu_is_here() -> bool:
    """Whether the driver of an NVIDIA GPU shows one on this machine; asking torch would take seconds of planning."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def write_design(design: Design, table: str, run_ids: str) -> None:
    """The design as a CSV table, and the ids of its runs as lines of a text file."""
    design.table.to_csv(table, index=False, lineterminator="\n")
    with open(run_ids, "w", encoding="utf-8") as file:
        file.writelines(f"{run_id}\n" for run_id in design.table["run_id"])


def prepare_shell(data_dir: str | None) -> None:
    """Sets up what the shells of workflow rules inherit.

    `python` is this interpreter, so that a virtual environment need not be activated; LGN_DATA is data_dir if given.
    """
    if data_dir:
        os.environ["LGN_DATA"] = data_dir
    folder = os.path.dirname(sys.executable)
    if os.environ["PATH"].split(os.pathsep)[0] != folder:
        os.environ["PATH"] = folder + os.pathsep + os.environ["PATH"]
