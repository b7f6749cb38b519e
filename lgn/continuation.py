"""A finished run that goes on: its state at the end, kept where that was asked for, begins a longer run."""

from pathlib import Path

from lgn import checkpoint, records
from lgn.errors import LgnError
from lgn.finished import differences, record_of
from lgn.run import Execution, Run, parse_run
from lgn.storage import make_folder, only_process
from lgn.versions import HISTORY_VERSION, TRAINING_SEMANTICS

KEPT = "kept_checkpoint.safetensors"
"""The checkpoint of the last iteration, beside a record whose training was told to keep it."""

FREE = ("iterations", "evaluations", "time_budget_seconds")
"""How long a run goes on and how often it is looked at, of which no step depends but by final_temperature."""


def continue_from(source: Path, run: Run, directory: Path, execution: Execution) -> None:
    """Puts the kept state of the record in `source` into a folder, as the checkpoint that `run` goes on from there.

    A folder that has a record or a checkpoint of the run already stays as it is. Raises LgnError where nothing was
    kept, and where an uninterrupted training of `run` would not have come through that state.
    """
    if record_of(run, directory) or (directory / checkpoint.CHECKPOINT).exists():
        return
    record = records.read_run(source)
    before = parse_run(record["settings"], str(source / "run.json"))
    _require_the_same_course(source, before, run, record)
    if execution.snapshots:
        raise LgnError(f"snapshots: {execution.snapshots} of a run that continues another; allowed: 0")
    found = checkpoint.read_checkpoint(source, KEPT)
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
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(checkpoint.SNAPSHOT)}
    make_folder(directory)
    with only_process(directory):
        checkpoint.write_checkpoint(directory, state, tensors)


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
