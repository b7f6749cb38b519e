"""What stands in the way where a run is to be trained: a record that is there already is never replaced in silence."""

from pathlib import Path

from lgn import records
from lgn.errors import LgnError
from lgn.kernels import resolve
from lgn.run import Execution, Run, parse_run
from lgn.versions import TRAINING_SEMANTICS

INSTEAD = "allowed: another folder, or `lgn train --again` to replace the record"


def record_of(run: Run, directory: Path) -> dict | None:
    """run.json of this very run in a folder; None where there is none.

    Raises LgnError where the record there is of other settings or of a version that trains them otherwise.
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
    """Raises LgnError where training the run now would make another record: other rounding, other clocks, snapshots."""
    made = record["environment"]
    backend, device = resolve(execution.backend, execution.device, run.estimator, run.optimizer_settings)
    there = (made["backend"], made["device"], made["threads"], records.SNAPSHOTS in record["files"])
    here = (backend, device, execution.threads, execution.snapshots > 0)
    names = ("backend", "device", "threads", "snapshots")
    for name, old, new in zip(names, there, here, strict=True):
        if old != new:
            raise LgnError(f"{directory / 'run.json'}: {name}: {_said(old)} (here {_said(new)}); {INSTEAD}")


def differences(there: Run, here: Run) -> dict[str, tuple[object, object]]:
    """key -> (value there, value here) of the settings in which two runs differ."""
    pairs = {key: (getattr(there, key), getattr(here, key)) for key in Run.model_fields}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _said(value: object) -> object:
    return {True: "stored", False: "none"}[value] if isinstance(value, bool) else value
