"""Records that someone contributes: does each keep the protocol, and do its weights give the scores that it says?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from analysis.leaderboard.trials import FINAL_SEEDS
from analysis.records import read_record
from lgn import TRAINING_SEMANTICS
from lgn.errors import LgnError
from lgn.restore import evaluate_record
from lgn.run import Run, parse_run
from study.preset import Preset, expand

FREE = (
    *("parametrization", "options", "noise", "straight_through", "init", "init_scale", "init_bias"),
    *("learning_rate", "temperature", "final_temperature", "group_temperature", "epsilon"),
    *("optimizer", "optimizer_options", "grad_factor", "seed"),
)
"""Settings that a method or its tuning decides; all others are a net's."""


@dataclass
class Checked:
    """A record's id, what is wrong with it, its recomputed test accuracy, and the machine that it says made it."""

    run_id: str
    faults: list[str] = field(default_factory=list)
    accuracy: float = math.nan
    machine: str = ""


def validate(folder: Path, trials: Preset, data_dir: Path) -> Iterator[Checked]:
    """Every record below a folder, checked against the preset of a division's trials. Raises LgnError for none there.

    Files must have the digests in run.json (read_record and restore look), settings be a net of the division, its
    version train as this one does, the last row of the history be the final scores, and the weights give them.
    History before the end is taken as given: `lgn verify` trains a record anew.
    """
    directories = sorted({path.parent for path in folder.rglob("run.json")})
    if not directories:
        raise LgnError(f"{folder}: holds no record; allowed: folders with a run.json")
    nets = [fixed(run) for run in expand(trials)]
    seeds = {*FINAL_SEEDS, *(run.seed for run in expand(trials))}
    for directory in directories:
        yield _checked(directory, nets, seeds, data_dir)


def fixed(run: Run) -> dict[str, object]:
    """The settings of a run that are its net's and its budget's."""
    return {key: value for key, value in run.model_dump().items() if key not in FREE}


def _checked(directory: Path, nets: list[dict], seeds: set[int], data_dir: Path) -> Checked:
    checked = Checked(directory.name)
    try:
        record = read_record(directory)
        run = parse_run(record.run["settings"], str(directory / "run.json"))
    except LgnError as error:
        checked.faults.append(str(error))
        return checked
    made = record.run["environment"]
    checked.machine = f"{made.get('processor')}, {made.get('backend')}, lgn-bench {made.get('lgn')}"
    checked.faults += _settings_faults(run, nets, seeds)
    if record.run["training_semantics"] != TRAINING_SEMANTICS:
        checked.faults.append(
            f"training_semantics: {record.run['training_semantics']}; allowed: {TRAINING_SEMANTICS}"
        )
    final, last = record.run["final"], record.history.iloc[-1]
    for name, value in final.items():
        if name in last and not _same(value, last[name]):
            checked.faults.append(f"{name}: {value} in run.json, {last[name]:.7g} in history.csv")
    if not checked.faults:
        _recompute(checked, directory, data_dir)
    return checked


def _settings_faults(run: Run, nets: list[dict], seeds: set[int]) -> list[str]:
    faults = [] if run.seed in seeds else [f"seed: {run.seed}; allowed: {', '.join(map(str, sorted(seeds)))}"]
    own = fixed(run)
    if own in nets:
        return faults
    # The net that it is nearest to says what is wrong in the fewest words.
    nearest = min(nets, key=lambda net: sum(own[key] != net[key] for key in net))
    return faults + [
        f"{key}: {own[key]}; allowed: {nearest[key]}" for key in nearest if own[key] != nearest[key]
    ]


def _recompute(checked: Checked, directory: Path, data_dir: Path) -> None:
    try:
        columns = evaluate_record(directory, data_dir)
    except LgnError as error:
        checked.faults.append(str(error))
        return
    for name, (recorded, now) in columns.items():
        # Hard gates are exact; reals differ between processors in a last digit.
        if not _same(recorded, now, 0 if name.endswith("_discrete") else 0.005):
            checked.faults.append(f"{name}: {recorded} is recorded, its weights give {now:.7g}")
    checked.accuracy = columns["test_accuracy_discrete"][1]


def _same(one: float | None, other: float, tolerance: float = 0.0) -> bool:
    one = math.nan if one is None else one
    return (math.isnan(one) and math.isnan(other)) or abs(one - other) <= tolerance + 1e-6 * abs(other)
