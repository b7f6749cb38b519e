"""A preset as the workflow needs it: tables, paths and command-line arguments of its runs."""

import json

import pandas as pd

from lgn.config import Preset, Run, expand

BYTES_A_GATE = 16 * 4 * 4
"""Logits, two moments and gradients or weights, sixteen float32 each."""


class Design:
    """The runs of one preset, by the hash in their id."""

    def __init__(self, preset: Preset):
        self.preset = preset
        self.runs: dict[str, Run] = {run.hash: run for run in expand(preset)}

    @property
    def labels(self) -> pd.DataFrame:
        """A row a run, the parts of its id as strings: what Paramspace makes paths of."""
        return pd.DataFrame([run.labels for run in self.runs.values()])

    @property
    def table(self) -> pd.DataFrame:
        """A row a run: run_id, method and every setting."""
        rows = [
            {"run_id": run.run_id, "method": run.method, **run.model_dump()} for run in self.runs.values()
        ]
        return pd.DataFrame(rows)

    @property
    def datasets(self) -> list[str]:
        """The data sets that the runs need."""
        return sorted({run.dataset for run in self.runs.values()})

    @property
    def settings(self) -> list["Setting"]:
        """The runs by what they have in common but for the seed."""
        found: dict[str, list[Run]] = {}
        for run in self.runs.values():
            found.setdefault(run.model_copy(update={"seed": 0}).hash, []).append(run)
        return [Setting(runs) for runs in found.values()]

    def arguments(self, run_hash: str) -> list[str]:
        """key=value arguments of `lgn train` for one run."""
        return run_arguments(self.runs[run_hash])

    def memory_mb(self, run_hash: str) -> int:
        """A generous bound on a run's memory, in MiB."""
        return Setting([self.runs[run_hash]]).memory_mb


class Setting:
    """Runs that differ in their seeds only, as one call of `lgn train` trains them."""

    def __init__(self, runs: list[Run]):
        self.runs, self.dataset = runs, runs[0].dataset
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
        """A generous bound on their memory together, in MiB: Python with torch, the nets, a batch's activations."""
        networks = sum(run.depth * run.width * (2 * BYTES_A_GATE + 8 * run.batch_size) for run in self.runs)
        return 1500 + networks // 2**20


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
