"""`lgn verify`: what it says of the stored records here, of another backend, and of records that were changed."""

import csv
import json
import shutil

import pytest
from training_process import SETTINGS

from lgn.cli import main
from lgn.errors import LgnError
from lgn.run import Execution, parse_run
from lgn.train import train
from study.verification import (
    BIT_EXACT,
    DIFFERENT,
    WITHIN_TOLERANCE,
    early_loss_difference,
    first_difference,
    reference_records,
    verify,
)

NUMBA, TORCH = (Execution(backend=backend, device="cpu") for backend in ("numba", "torch"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("verified") / "run"
    train(parse_run(SETTINGS | {"iterations": 400}), directory, directory, NUMBA)
    return directory


@pytest.fixture
def record(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "record")


def change_run(record, **fields):
    path = record / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_this_machine_gives_what_the_repository_says(capsys):
    """Or the same within rounding, on a processor of another kind."""
    assert len(reference_records()) == 4
    assert main(["verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(f": {BIT_EXACT}: " in line or f": {WITHIN_TOLERANCE}: " in line for line in lines)


def test_the_same_machine_gives_the_same_bytes(record, tmp_path):
    assert verify(record, tmp_path, NUMBA).level == BIT_EXACT


def test_unused_shares_above_another_threshold_are_not_compared_and_it_is_said(record, tmp_path):
    change_run(record, unused_threshold=1.5)
    verdict = verify(record, tmp_path, NUMBA)
    assert verdict.level == BIT_EXACT
    assert verdict.details.endswith("unused shares aside: the stored are above 1.5 nats")


def test_another_backend_is_within_the_tolerance_and_says_where_it_parts(record, tmp_path):
    verdict = verify(record, tmp_path, TORCH)
    assert verdict.level == WITHIN_TOLERANCE
    assert verdict.details.startswith("at iteration")


def test_another_training_under_the_same_name_is_told(record, tmp_path, capsys):
    """A record of seed 1 that says it was seed 0."""
    train(parse_run(SETTINGS | {"iterations": 400, "seed": 1}), record, tmp_path, NUMBA)
    change_run(record, settings=parse_run(SETTINGS | {"iterations": 400}).model_dump())
    assert verify(record, tmp_path, NUMBA).level == DIFFERENT
    assert main(["verify", str(record), "--data-dir", str(tmp_path)]) == 1
    assert f": {DIFFERENT}: " in capsys.readouterr().out


def test_weights_that_differ_alone_are_no_bit_exactness(record, tmp_path):
    files = json.loads((record / "run.json").read_text())["files"]
    change_run(record, files=files | {"weights.safetensors": "0" * 64})
    verdict = verify(record, tmp_path, NUMBA)
    assert verdict.level == WITHIN_TOLERANCE
    assert verdict.details.startswith("weights differ, history does not")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(data_sha256="0" * 64), "holds other digits data than"),
        (dict(training_semantics=0), "run.json: training_semantics: 0; allowed: 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(record, tmp_path, fields, message):
    change_run(record, **fields)
    with pytest.raises(LgnError, match=message):
        verify(record, tmp_path, NUMBA)


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(LgnError, match="holds no records"):
        reference_records(tmp_path)


def test_differences_are_found_where_they_are(trained):
    with open(trained / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert first_difference(rows, rows) is None
    assert first_difference(rows, rows[:-1]) == f"{len(rows) - 1} rows of history, stored {len(rows)}"
    changed = [dict(row) for row in rows]
    changed[2]["loss"] = f"{1.5 * float(rows[2]['loss']):.7g}"
    assert first_difference(rows, changed).startswith(f"at iteration {rows[2]['iteration']} loss is")
    assert early_loss_difference(rows, changed) == pytest.approx(0.5, rel=1e-5)
