"""Checks an existing record before training, so that none is replaced silently, and continues finished runs.

A finished run with a kept checkpoint can be continued to more iterations.
"""

from pathlib import Path

from lgn import HISTORY_VERSION, TRAINING_SEMANTICS, records
from lgn.errors import LgnError
from lgn.files import make_folder, only_process
from lgn.kernels import resolve
from lgn.run import Execution, Run, parse_run
from lgn.state import SNAPSHOT

INSTEAD = "allowed: another folder, or `lgn train --again` to replace the record"

KEPT = "kept_records.safetensors"
"""The checkpoint of the last iteration, beside a record that was trained with --keep-checkpoint."""

FREE = ("iterations", "evaluations", "time_budget_seconds")
"""Settings that may differ in a continuation: no step depends on them, except through final_temperature."""


def record_of(run: Run, directory: Path) -> dict | None:
    """run.json of this run in a folder; None if there is no record.

    Raises LgnError if the record has other settings, or is of a version that trains them differently.
    """
    path = directory / "run.json"
    if not path.exists():
        return None
    record = records.read_run(directory)
    if differing := differences(parse_run(record["settings"], str(path)), run):
        said = ", ".join(f"{key}: {there} (here {here})" for key, (there, here) in differing.items())
        raise LgnError(f"{path}: is the record of another run, {said}; {INSTEAD}")
    if record.get("training_semantics") != TRAINING_SEMANTICS:
        raise LgnError(
            f"{path}: training_semantics: {record.get('training_semantics')} (here {TRAINING_SEMANTICS}); {INSTEAD}"
        )
    return record


def require_same_execution(record: dict, run: Run, directory: Path, execution: Execution) -> None:
    """Raises LgnError if training now would give another record: other rounding, other clocks, other snapshots."""
    made = record["environment"]
    backend, device = resolve(execution.backend, execution.device, run.estimator, run.optimizer_settings)
    there = (made["backend"], made["device"], made["threads"], records.SNAPSHOTS in record["files"])
    here = (backend, device, execution.threads, execution.snapshots > 0)
    names = ("backend", "device", "threads", "snapshots")
    for name, old, new in zip(names, there, here, strict=True):
        if old != new:
            raise LgnError(f"{directory / 'run.json'}: {name}: {_said(old)} (here {_said(new)}); {INSTEAD}")


def differences(there: Run, here: Run) -> dict[str, tuple[object, object]]:
    """key -> (value there, value here), for settings in which two runs differ."""
    pairs = {key: (getattr(there, key), getattr(here, key)) for key in Run.model_fields}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _said(value: object) -> object:
    return {True: "stored", False: "none"}[value] if isinstance(value, bool) else value


def continue_from(source: Path, run: Run, directory: Path, execution: Execution) -> None:
    """Copies the kept state of the record in `source` into a folder, as a checkpoint from which `run` continues.

    Does nothing if the folder already has a record or a checkpoint of the run. Raises LgnError if no state was kept,
    and if an uninterrupted training of `run` would not have passed through it.
    """
    if record_of(run, directory) or (directory / records.CHECKPOINT).exists():
        return
    record = records.read_run(source)
    before = parse_run(record["settings"], str(source / "run.json"))
    _require_the_same_course(source, before, run, record)
    if execution.snapshots:
        raise LgnError(f"snapshots: {execution.snapshots} of a run that continues another; allowed: 0")
    found = records.read_checkpoint(source, KEPT)
    if found is None:
        raise LgnError(f"{source / KEPT}: is missing; allowed: a record of `lgn train --keep-checkpoint`")
    state, tensors = found
    made = state["fingerprint"]
    expected = {"run_id": before.run_id, "semantics": TRAINING_SEMANTICS, "history": HISTORY_VERSION}
    for name, value in expected.items():
        if made[name] != value:
            raise LgnError(f"{source / KEPT}: {name}: {made[name]}; allowed: {value}")
    state["fingerprint"] = made | {"run_id": run.run_id, "snapshots": 0}
    end = {"run_id": before.run_id, "iteration": record["final"]["iteration"]}
    state["continued_from"] = [*state.get("continued_from", []), end]
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(SNAPSHOT)}
    make_folder(directory)
    with only_process(directory):
        records.write_checkpoint(directory, state, tensors)


def _require_the_same_course(source: Path, before: Run, run: Run, record: dict) -> None:
    end, spent = record["final"]["iteration"], record["final"]["training_seconds"]
    for key, (there, here) in differences(before, run).items():
        if key not in FREE:
            raise LgnError(f"{source}: {key}: {there} (here {here}); allowed to differ: {', '.join(FREE)}")
    if record["status"] == "diverged":
        raise LgnError(f"{source}: status: diverged; allowed: a run that can go on")
    if run.final_temperature is not None:
        raise LgnError(
            f"final_temperature: {run.final_temperature:g} is reached at the end of {source}; allowed: null"
        )
    if run.iterations <= end:
        raise LgnError(f"iterations: {run.iterations}; allowed: above {end}, where {source} ended")
    if run.time_budget_seconds is not None and run.time_budget_seconds <= spent:
        raise LgnError(
            f"time_budget_seconds: {run.time_budget_seconds:g}; allowed: above {spent:g}, which {source} has spent"
        )
