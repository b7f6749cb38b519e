"""Equal tuning: each method's best trial on each net, by validation images, and the preset of the final runs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import yaml

from lgn.errors import LgnError
from lgn.run import Run
from study.preset import Preset, expand

FINAL_SEEDS = (0, 1, 2, 3, 4)
"""Seeds of the final runs, which no trial may have."""

_METHOD = ("parametrization", "noise", "straight_through")
"""What the name of a method says."""


@dataclass(frozen=True)
class Choice:
    """A method on a net. trials: its runs, in the preset's order; validation: the accuracy of each, NaN if diverged."""

    trials: tuple[Run, ...]
    validation: tuple[float, ...]

    @property
    def default(self) -> Run:
        """The first trial."""
        return self.trials[0]

    @property
    def best(self) -> float:
        """The highest validation accuracy of a trial; -1 if all diverged."""
        return max(-1.0 if math.isnan(accuracy) else accuracy for accuracy in self.validation)

    @property
    def tuned(self) -> Run:
        """The best on validation images; of several the first."""
        return self.trials[self.validation.index(self.best)] if self.best >= 0 else self.default

    @property
    def net(self) -> tuple[str, int, int]:
        """(data set, depth, width)"""
        return self.default.dataset, self.default.depth, self.default.width

    @property
    def gates(self) -> int:
        return self.default.depth * self.default.width


def choices(trials: Preset, runs: pd.DataFrame) -> tuple[list[Choice], list[str]]:
    """Each method on each net whose trials all have a row in runs.csv, and a sentence for each other net.

    Raises LgnError where two methods have unlike numbers of trials on a net, a trial has no validation images, or one
    has a seed of the final runs.
    """
    found: dict[tuple, dict[str, list[Run]]] = {}
    for run in expand(trials):
        found.setdefault((run.dataset, run.depth, run.width), {}).setdefault(run.method, []).append(run)
        if run.seed in FINAL_SEEDS:
            raise LgnError(f"{trials.preset}: seed: {run.seed}; allowed for trials: none of {FINAL_SEEDS}")
        if not run.validation_share:
            raise LgnError(f"{trials.preset}: validation_share: 0; allowed for trials: above 0")
    measured = runs.set_index("run_id")["final_validation_accuracy_discrete"].to_dict()
    chosen, missing = [], []
    for net, methods in found.items():
        where = f"{net[0]} {net[1]} x {net[2]}"
        counts = {len(several) for several in methods.values()}
        if len(counts) > 1:
            given = ", ".join(f"{method} {len(several)}" for method, several in methods.items())
            raise LgnError(f"{trials.preset}: {where}: trials: {given}; allowed: as many for every method")
        absent = [r for several in methods.values() for r in several if r.run_id not in measured]
        if absent:
            missing.append(
                f"{where}: left out, since {len(absent)} of {counts.pop() * len(methods)} trials have no record"
            )
            continue
        chosen += [Choice(tuple(s), tuple(measured[r.run_id] for r in s)) for s in methods.values()]
    return chosen, missing


def final_preset(trials: Preset, chosen: Sequence[Choice], name: str, file: str = "") -> str:
    """A preset as YAML text: every method's best trial and its first one, on the final seeds.

    file: of the trials' preset, which the text names. A sweep states what neither the base nor a default says: the
    net, and what was tuned.
    """
    runs = [run for choice in chosen for run in choice.trials]
    varied = [
        key
        for key in Run.model_fields
        if key not in (*_METHOD, "seed", "options")
        and {getattr(run, key) for run in runs} != {trials.base.get(key, Run.model_fields[key].default)}
    ]
    # An entrant alone has no method to be drawn beside.
    compared = len({c.default.method for c in chosen}) > 1 and any(c.tuned != c.default for c in chosen)
    lines = [
        "# yaml-language-server: $schema=../workflow/schemas/config.schema.json",
        "# The leaderboard's final runs (docs/leaderboard.md), written by `python -m analysis choose`: each method at",
        f"# the best of its trials in {trials.preset} and at the first, which is the default.",
        f"preset: {name}",
        f"base: {_flow(trials.base)}",
        *([f"trials: {file}"] if file else []),
        f"figures: [{'use_tuned_and_default' * compared}]  # The page says the rest.",
        f"seeds: {list(FINAL_SEEDS)}",
        "sweeps:",
    ]
    for choice in chosen:
        stated = {run.hash: run for run in (choice.tuned, choice.default)}
        for run in stated.values():
            keys = {"method": run.method} | {key: getattr(run, key) for key in varied}
            if run.options:
                keys["options"] = json.loads(run.options)
            what = [f"best of {len(choice.trials)}: {100 * choice.best:.1f}% on validation images"] * (
                run == choice.tuned
            )
            what += ["default"] * (run == choice.default)
            lines.append(f"  - {{set: {_flow(keys)}, probes: [use]}}  # {', '.join(what)}")
    return "\n".join(lines) + "\n"


def _flow(mapping: Mapping[str, object]) -> str:
    """A mapping as one line of YAML."""
    return yaml.safe_dump(dict(mapping), default_flow_style=True, sort_keys=False, width=math.inf).strip()
