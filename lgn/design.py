"""A preset as the workflow needs it: tables, paths and command-line arguments of its runs."""

import json
import math
from functools import cached_property

import pandas as pd

from lgn.config import Execution, Preset, Run, expand, probed
from lgn.memory import needed_bytes
from lgn.methods import METHODS

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

    @property
    def settings(self) -> list["Setting"]:
        """The runs by what they have in common but for the seed."""
        found: dict[str, list[Run]] = {}
        for run in self.runs.values():
            found.setdefault(run.model_copy(update={"seed": 0}).hash, []).append(run)
        return [Setting(runs, self.preset.execution) for runs in found.values()]

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

    def _setting(self, run_hash: str) -> "Setting":
        return Setting([self.runs[run_hash]], self.preset.execution)

    def arguments(self, run_hash: str) -> list[str]:
        """key=value arguments of `lgn train` for one run."""
        return run_arguments(self.runs[run_hash])

    def memory_mb(self, run_hash: str) -> int:
        """A generous bound on a run's memory, in MiB."""
        return self._setting(run_hash).memory_mb

    def minutes(self, run_hash: str) -> int:
        """A generous bound on how long a run takes."""
        return self._setting(run_hash).minutes

    def group(self, run_hash: str) -> str | None:
        """The group of jobs that a run belongs to, by its length."""
        return self._setting(run_hash).group


class Setting:
    """Runs that differ in their seeds only, as one call of `lgn train` trains them."""

    def __init__(self, runs: list[Run], execution: Execution):
        self.runs, self.dataset, self.execution = runs, runs[0].dataset_label, execution
        self.run_ids = [run.run_id for run in runs]
        self.seeds = "".join(f"{run.seed}," for run in runs)

    @property
    def name(self) -> str:
        """A name for rules and logs; the first run's hash makes it unique."""
        first = self.runs[0]
        return f"{first.method}_depth{first.depth}_width{first.width}_{first.hash}"

    @property
    def arguments(self) -> list[str]:
        """key=value arguments of `lgn train` for all of them; the comma behind a seed makes even one a list."""
        return run_arguments(self.runs[0], seed=self.seeds)

    @property
    def memory_mb(self) -> int:
        """A bound on their memory together, in whole hundreds of MiB; activations on a GPU are counted all the same."""
        backend = "numba" if self.execution.backend == "auto" else self.execution.backend
        needed = needed_bytes(self.runs, backend, "cpu", self.execution.snapshots)
        return 100 * math.ceil(needed / (100 * 2**20))

    @property
    def minutes(self) -> int:
        """A generous bound on how long they take one after another."""
        return START_MINUTES + math.ceil(sum(training_seconds(run) for run in self.runs) / 60)

    @property
    def group(self) -> str | None:
        """`short_trainings`, of which a profile may put several into one job; None for those that stay alone."""
        return "short_trainings" if self.minutes < SHORT_MINUTES else None


def training_seconds(run: Run) -> float:
    """A conservative estimate for one thread, evaluations included, and no more than its time budget allows."""
    lanes = -(-run.batch_size // 64) * 64
    # 20,000: more test and validation images than any of the data sets has.
    evaluated = run.evaluations * (run.train_evaluation_images + 20_000)
    images = run.iterations * lanes + evaluated
    seconds = run.depth * run.width * (run.iterations * STEP_SECONDS + images * IMAGE_SECONDS)
    # The budget's clock stops while the run evaluates.
    return seconds if run.time_budget_seconds is None else min(seconds, 1.25 * run.time_budget_seconds)


def gpu_request(execution: Execution) -> dict[str, int | str]:
    """Resources of a training that asks for a GPU by name; none for device auto, which takes what it finds."""
    return {"gpu": 1, "gpu_manufacturer": "nvidia"} if execution.device.startswith("cuda") else {}


def run_arguments(run: Run, **changed: object) -> list[str]:
    """key=value arguments of `lgn train`: those that the run's hash is made of.

    Defaults are left out here too, or a key added later would make Snakemake train everything anew.
    """
    settings = run.model_dump(exclude_defaults=True) | changed
    return [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items()
    ]


def write_design(design: Design, table: str, run_ids: str) -> None:
    """The design as a CSV table, and the ids of its runs as lines of a text file."""
    design.table.to_csv(table, index=False, lineterminator="\n")
    with open(run_ids, "w", encoding="utf-8") as file:
        file.writelines(f"{run_id}\n" for run_id in design.table["run_id"])
