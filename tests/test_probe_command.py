"""`lgn probe` on a record: every probe prints rows of numbers, and what is no probe or no record is one line."""

import csv
import io

import pytest
from training_process import SETTINGS

from lgn.cli import main
from lgn.run import Execution, parse_run
from lgn.train import train
from probes.record import PROBES, probe_record


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    directory = tmp_path_factory.mktemp("probed") / "run"
    settings = SETTINGS | {"depth": 2, "width": 50, "iterations": 200, "evaluations": 3}
    train(parse_run(settings), directory, directory, Execution(backend="numba", device="cpu"))
    return directory


@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe != "cost"])  # See test_circuits.
def test_a_probe_prints_a_table(record, capsys, probe):
    assert main(["probe", probe, str(record)]) == 0
    printed = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert main(["probe", probe, str(record), "--output", str(record / "rows.csv")]) == 0
    assert (record / "rows.csv").read_text() == printed
    assert len(rows[0]) >= 3
    assert len(rows) == 1 if probe == "use" else len(rows) >= 2  # use: one count of the whole network
    assert all(set(row) == set(rows[0]) and None not in row.values() for row in rows)


def test_without_snapshots_the_trace_is_that_of_the_start_and_of_the_end(record):
    assert {row["iteration"] for row in probe_record("hessian", record, record)} == {0, 200}


def test_what_cannot_be_probed_is_one_line(record, capsys, tmp_path):
    assert main(["probe", "soul", str(record)]) == 2
    assert main(["probe", "hessian", str(tmp_path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        f"lgn: probe: 'soul' of one record is unknown; allowed: {', '.join(PROBES)} of one, line of two; "
        "gradient before training"
    )
    assert second.startswith(f"lgn: {tmp_path / 'run.json'}: not a run record")
