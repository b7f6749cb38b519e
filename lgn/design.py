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
        """A generous bound on a run's memory: Python with torch, the net, the activations of a batch."""
        run = self.runs[run_hash]
        network = run.depth * run.width * (2 * BYTES_A_GATE + 8 * run.batch_size)
        return 1500 + network // 2**20


def write_design(design: Design, table: str, run_ids: str) -> None:
    """The design as a CSV table, and the ids of its runs as lines of a text file."""
    design.table.to_csv(table, index=False, lineterminator="\n")
    with open(run_ids, "w", encoding="utf-8") as file:
        file.writelines(f"{run_id}\n" for run_id in design.table["run_id"])
