"""Logits stored along training, and the presets, files and tables by which probes get to them."""

import csv

import numpy as np
import pytest
import torch
from test_config import preset
from test_resume import StopAt
from training_process import SETTINGS, record_bytes

from analysis.probes import collect_probe
from lgn.errors import LgnError
from lgn.metrics import evaluation_schedule, snapshot_schedule
from lgn.records import SNAPSHOTS, read_run, read_snapshots, read_weights
from lgn.run import Execution, parse_run
from lgn.stopping import Stopped
from lgn.train import train
from probes.record import probe_record
from study.plan import Design
from study.preset import parse_preset

RUN = parse_run(SETTINGS | {"depth": 2, "width": 50, "iterations": 60, "evaluations": 8})
THREE = Execution(backend="numba", device="cpu", snapshots=3)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    directory = tmp_path_factory.mktemp("snapshots") / RUN.run_id
    train(RUN, directory, directory, THREE)
    return directory


def test_snapshots_begin_at_the_first_evaluation_and_leave_out_the_last():
    schedule = evaluation_schedule(1000, 30)
    for count in (0, 1, 5, 29):
        taken = snapshot_schedule(schedule, count)
        assert len(taken) == count and set(taken) <= set(schedule[:-1])
        assert not count or taken[0] == 0
    assert len(snapshot_schedule(schedule, 1000)) == len(schedule) - 1


def test_a_snapshot_holds_the_logits_of_its_iteration(record, tmp_path):
    """Those that a run of so many iterations ends with, whatever else is stored."""
    snapshots = read_snapshots(record)
    assert len(snapshots) == 3 and next(iter(snapshots)) == 0
    for iteration, logits in list(snapshots.items())[1:]:
        shorter = RUN.model_copy(update={"iterations": iteration, "evaluations": 2})
        train(shorter, tmp_path / str(iteration), tmp_path, Execution(backend="numba", device="cpu"))
        weights = read_weights(tmp_path / str(iteration))
        assert torch.equal(logits, torch.stack([weights[f"logits.{layer}"] for layer in range(RUN.depth)]))


def test_snapshots_change_nothing_else_of_a_record_and_survive_stops(record, tmp_path):
    train(RUN, tmp_path / "bare", tmp_path, Execution(backend="numba", device="cpu"))
    assert record_bytes(tmp_path / "bare") == record_bytes(record)
    assert read_snapshots(tmp_path / "bare") == {} and SNAPSHOTS not in read_run(tmp_path / "bare")["files"]
    stops = 0
    for looks in range(5, 1000, 7):
        try:
            train(RUN, tmp_path / "cut", tmp_path, THREE, stop=StopAt(looks))
            break
        except Stopped:
            stops += 1
    assert stops > 3
    assert (tmp_path / "cut" / SNAPSHOTS).read_bytes() == (record / SNAPSHOTS).read_bytes()


def test_a_run_begun_with_other_snapshots_is_not_gone_on_with(tmp_path):
    with pytest.raises(Stopped):
        train(RUN, tmp_path, tmp_path, THREE, stop=StopAt(30))
    with pytest.raises(LgnError, match="remove it to start this run anew"):
        train(RUN, tmp_path, tmp_path, Execution(backend="numba", device="cpu"))


def test_damaged_snapshots_are_refused(record, tmp_path):
    for path in record.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = bytearray((tmp_path / SNAPSHOTS).read_bytes())
    content[-1] ^= 1
    (tmp_path / SNAPSHOTS).write_bytes(content)
    with pytest.raises(LgnError, match=SNAPSHOTS):
        read_snapshots(tmp_path)


def test_the_hessian_is_taken_at_every_snapshot_and_the_lemma_at_both_ends(record, tmp_path):
    moments = [*read_snapshots(record), RUN.iterations]
    rows = probe_record("hessian", record, tmp_path)
    assert [row["iteration"] for row in rows] == list(np.repeat(moments, 3))
    kinds = [("exact", "none"), ("hutchinson", "none"), ("per_image", "gumbel")]
    assert [(row["estimator"], row["noise"]) for row in rows] == kinds * len(moments)
    for exact, estimated, _ in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        assert estimated["samples"] <= 200
        assert estimated["trace"] == pytest.approx(exact["trace"], abs=6 * estimated["standard_error"])
    assert len({row["trace"] for row in rows}) == len(rows)
    assert {row["temperature"] for row in rows} == {RUN.temperature}
    assert sorted({row["iteration"] for row in probe_record("lemma", record, tmp_path)}) == [
        0,
        RUN.iterations,
    ]


def test_nets_too_wide_for_the_exact_trace_are_estimated_with_vectors(record, tmp_path, monkeypatch):
    monkeypatch.setattr("probes.record.EXACT_WIDTH", RUN.width - 1)
    rows = probe_record("hessian", record, tmp_path)
    assert {(row["estimator"], row["noise"]) for row in rows} == {
        ("hutchinson", "none"),
        ("per_image", "gumbel"),
    }


def test_a_line_joins_two_records_of_one_wiring(record, tmp_path):
    dlgn = RUN.model_copy(update={"noise": "none", "straight_through": False, "temperature": 1.0})
    train(dlgn, tmp_path / dlgn.run_id, tmp_path, THREE)
    rows = probe_record("line", record, tmp_path, tmp_path / dlgn.run_id)
    ends = [rows[0]["discrete_accuracy"], rows[-1]["discrete_accuracy"]]
    recorded = [read_run(p)["final"]["test_accuracy_discrete"] for p in (tmp_path / dlgn.run_id, record)]
    assert ends == pytest.approx(recorded) and rows[0]["other_run_id"] == dlgn.run_id
    with pytest.raises(LgnError, match="of two"):
        probe_record("hessian", record, tmp_path, tmp_path / dlgn.run_id)


def test_a_preset_says_which_runs_are_probed_and_finds_the_other_end_of_lines():
    sweeps = [
        {"vary": {"method": ["dlgn", "glgn"], "depth": [4, 12]}},
        {"set": {"depth": 4}, "vary": {"method": ["dlgn", "glgn"]}, "probes": ["line", "layers"]},
        {"set": {"method": "glgn", "depth": 12}, "seeds": [1], "probes": ["layers"]},
        {"set": {"method": "glgn", "depth": 8}, "probes": ["line"]},
    ]
    design = Design(parse_preset(preset(sweeps=sweeps)))
    runs = {run.run_id: run for run in design.runs.values()}
    layers = [(runs[i].depth, runs[i].method, runs[i].seed) for i in design.probes["layers"]]
    assert sorted(layers) == [(4, m, s) for m in ("dlgn", "glgn") for s in (0, 1)] + [(12, "glgn", 1)]
    assert set(design.probes["layers"].values()) == {""}
    lines = {runs[one]: runs[other] for one, other in design.probes["line"].items()}
    assert len(lines) == 2
    for one, other in lines.items():
        assert (one.method, other.method, one.seed, one.depth) == ("glgn", "dlgn", other.seed, 4)


def test_an_unknown_probe_is_refused_in_one_line():
    with pytest.raises(LgnError, match=r"sweeps\.0\.probes\.0: 'soul' is not allowed"):
        parse_preset(preset(sweeps=[{"vary": {"method": ["dlgn"]}, "probes": ["soul"]}]))


def test_files_of_a_probe_become_one_table(tmp_path):
    for name, text in {"b": "x,y\n3,4\n", "a": "x,y\n1,2\n1,3\n"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    collect_probe([str(tmp_path / "b.csv"), str(tmp_path / "a.csv")], str(tmp_path / "probe_z.csv"))
    with open(tmp_path / "probe_z.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["run_id", "x", "y"],
            ["a", "1", "2"],
            ["a", "1", "3"],
            ["b", "3", "4"],
        ]


@pytest.mark.parametrize("text", ["", "x,y\n", "x,z\n1,2\n", "x,y\n1\n", "\x00"])
def test_a_damaged_file_of_a_probe_is_named_and_leaves_no_table(tmp_path, text):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(LgnError, match="b.csv"):
        collect_probe([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")], str(tmp_path / "probe_z.csv"))
    assert not (tmp_path / "probe_z.csv").exists()
