"""The benchmark: every implementation computes the same network, and a quick run writes its tables and figures."""

import math
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.tidy import read_tables
from benchmarks import figures, speed, workflow
from benchmarks.__main__ import machine, main
from benchmarks.cases import SEAM, SPEED_CASES, Case, Target, build_network, levels, random_batches
from benchmarks.implementations import implementations
from benchmarks.implementations.four_coefficients import FourCoefficients
from benchmarks.implementations.sixteen_gates import SixteenGates
from benchmarks.implementations.torchlogix import build_model
from benchmarks.inference import circuit_contenders, our_contenders
from benchmarks.measure import Timing, interleave, warm_up
from benchmarks.roofline import bandwidth, step_bytes
from benchmarks.scaling import counts_up_to, in_fresh_processes
from lgn.data.encoding import encode

TINY = Case("tiny", depth=3, width=40, pixels=12, batch=24, rounds=2)
needs_torchlogix = pytest.mark.skipif(
    find_spec("torchlogix") is None, reason="torchlogix is not installed (requirements-benchmarks.txt)"
)


def peers():
    return [
        pytest.param(FourCoefficients, True, id="four_coefficients"),
        pytest.param(SixteenGates, False, id="sixteen_gates"),
        pytest.param(build_model, False, id="torchlogix", marks=needs_torchlogix),
    ]


def bits_of_first_batch():
    pixels, labels = random_batches(TINY)[0]
    return torch.from_numpy(encode(pixels, levels(TINY))).float(), torch.from_numpy(labels)


@pytest.mark.parametrize(("model", "transposed"), peers())
def test_peers_have_the_loss_and_gradients_of_the_reference(model, transposed):
    network = build_network(TINY, "dlgn").train()
    bits, labels = bits_of_first_batch()
    torch.nn.functional.cross_entropy(network(bits), labels).backward()
    peer = model(network, "dlgn").train()
    scores = peer(bits.t().contiguous() if transposed else bits)
    torch.nn.functional.cross_entropy(scores, labels).backward()
    theirs = [parameter.grad for parameter in peer.parameters()]
    assert len(theirs) == TINY.depth
    for layer, gradient in enumerate(theirs):
        torch.testing.assert_close(gradient, network.logits[layer].grad, rtol=1e-4, atol=1e-8)


@needs_torchlogix
@pytest.mark.parametrize(("method", "layers"), [("light_sigmoid", TINY.depth), ("walsh_hard", 1)])
def test_torchlogix_has_our_other_methods(method, layers):
    """Their gradient to a hard layer's inputs is another, so there the last layer's gradients alone are ours."""
    network = build_network(TINY, method).train()
    bits, labels = bits_of_first_batch()
    peer = build_model(network, method).train()
    for model in (network, peer):
        torch.nn.functional.cross_entropy(model(bits), labels).backward()
    theirs = [parameter.grad for parameter in peer.parameters()]
    assert len(theirs) == TINY.depth
    for ours, gradient in list(zip(network.logits, theirs, strict=True))[-layers:]:
        torch.testing.assert_close(gradient, ours.grad, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("model", "transposed"), peers())
def test_peers_sample_whole_gates_for_glgn(model, transposed):
    bits, _ = bits_of_first_batch()
    peer = model(build_network(TINY, "glgn"), "glgn").train()
    bits = bits.t().contiguous() if transposed else bits
    sums = peer(bits) * 30
    torch.testing.assert_close(sums, sums.round(), rtol=0, atol=1e-4)
    assert not torch.equal(sums, peer(bits) * 30), "fresh noise in every step"


@pytest.mark.parametrize("methods", [TINY.methods, SEAM])
def test_every_implementation_takes_steps(methods):
    found = implementations(replace(TINY, methods=methods))
    assert [one.method for one in found if one.library == "lgn-bench"] == list(methods)
    for implementation in found:
        if implementation.variant != "compiled":
            step = implementation.build(TINY)
            for _ in range(3):
                step()


def test_interleaved_turns_alternate_who_begins():
    order = []
    steps = {name: (lambda name=name: order.append(name)) for name in "abc"}
    timings = interleave(steps, dict.fromkeys("abc", 1), rounds=4)
    assert "".join(order) == "abc" + "bca" + "cab" + "abc"
    assert all(
        len(timing.turns) == 4 and timing.low <= timing.median <= timing.high for timing in timings.values()
    )


def test_warm_up_counts_the_calls_of_a_turn():
    calls = []
    first, count = warm_up(lambda: calls.append(1))
    assert first >= 0 and count >= 1 and len(calls) == 3


def test_ratios_and_targets_take_the_best_variant_of_a_peer():
    timings = {
        "lgn-bench glgn numba": Timing((1.0, 2.0, 3.0)),
        "torchlogix glgn eager": Timing((50.0, 60.0, 70.0)),
        "torchlogix glgn compiled": Timing((40.0,)),
    }
    rows = speed.speed_rows("case", 1, timings)
    assert list(rows.columns) == speed.COLUMNS
    assert list(rows.times_slower_than_glgn) == [1.0, 30.0, 20.0]
    case = Case(
        "case", 1, 10, targets=(Target("glgn", ("torchlogix",), 18), Target("glgn", ("torchlogix",), 21))
    )
    reached = speed.targets([case], rows)
    assert list(reached.measured) == [20.0, 20.0] and list(reached.verdict) == ["reached", "missed"]
    assert set(reached.against) == {"torchlogix glgn compiled"}
    assert len(speed.targets([replace(case, targets=(Target("dlgn", ("torchlogix",), 8),))], rows)) == 0


def test_a_peer_that_fails_is_a_note_and_ours_a_fault():
    def fails(case):
        raise RuntimeError("no compiler")

    ours, *others = implementations(TINY)
    peer = replace(next(other for other in others if other.library == "sixteen_gates"), build=fails)
    table, notes = speed.measure_case(TINY, [ours, peer], report=lambda line: None)
    assert len(table) == 1 and "did not run: RuntimeError: no compiler" in notes[0]
    with pytest.raises(RuntimeError, match="no compiler"):
        speed.measure_case(TINY, [replace(ours, build=fails)], report=lambda line: None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_cases_are_left_out_aloud_without_a_gpu():
    cases = [case for case in SPEED_CASES if case.device == "cuda"]
    table, _, notes = speed.run_speed(cases, report=lambda line: None)
    assert (
        len(table) == 0 and len(notes) == len(cases) > 0 and all("no CUDA device" in note for note in notes)
    )


@needs_torchlogix
def test_both_inference_paths_and_the_circuit_count_alike():
    network = build_network(TINY, "glgn")
    pixels = np.random.default_rng(1).integers(0, 256, (512, TINY.pixels), dtype=np.uint8)
    _, counts = our_contenders(network, levels(TINY), pixels)
    _, theirs = circuit_contenders(network, encode(pixels, levels(TINY)))
    np.testing.assert_array_equal(counts, theirs)


def test_the_roofline_counts_more_bytes_for_more_work():
    assert bandwidth(2**16, rounds=2) > 0
    glgn, dlgn = (step_bytes(TINY, method) for method in ("glgn", "dlgn"))
    assert 0 < glgn < dlgn < step_bytes(replace(TINY, batch=128), "dlgn")
    assert step_bytes(replace(TINY, width=80), "glgn") == 2 * glgn


def test_scaling_measures_processes_side_by_side():
    measured = in_fresh_processes(TINY, "glgn", runs=2)
    assert len(measured) == 2 and all(point["median_ms"] > 0 for point in measured)
    assert counts_up_to(6) == [1, 2, 4, 6] and counts_up_to(2) == [1, 2]


def test_scaling_says_what_failed():
    with pytest.raises(RuntimeError, match="LgnError: width: 41"):
        in_fresh_processes(replace(TINY, width=41), "glgn")


def test_tables_become_figures_and_bad_arguments_one_line(tmp_path, capsys):
    names = [f"{library} {method} eager" for library in figures.LIBRARIES for method in figures.METHODS]
    timings = {name: Timing((index + 1.0,)) for index, name in enumerate(names)}
    others = {f"lgn-bench {method} numba": Timing((1.0,)) for method in SEAM}
    tables = [speed.speed_rows("case", 1, timings), speed.speed_rows("others", 1, others)]
    pd.concat(tables).to_csv(tmp_path / "speed.csv", index=False)
    steps = [(runs, step, 1.0, 100.0) for runs in (4, 40) for step in workflow.STEPS]
    pd.DataFrame(steps, columns=workflow.COLUMNS).to_csv(tmp_path / "workflow.csv", index=False)
    assert main(["figures", "--output", str(tmp_path)]) == 0
    drawn = {f"{name}.{ending}" for name in ("speed", "workflow") for ending in ("csv", "pdf", "png")}
    assert {path.name for path in tmp_path.iterdir()} == drawn
    (tmp_path / "file").write_text("")
    assert main(["figures", "--output", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["--rounds", "0"])


def test_best_variants_keeps_one_row_a_library_and_method():
    timings = {"torchlogix glgn eager": Timing((3.0,)), "torchlogix glgn compiled": Timing((2.0,))}
    best = figures.best_variants(speed.speed_rows("case", 1, timings))
    assert list(best.median_ms) == [2.0] and math.isnan(best.times_slower_than_glgn.iloc[0])


def test_the_machine_is_described_with_its_versions():
    described = machine()
    assert described["torch"] and described["processor"] and "torchlogix" in described
    assert pd.notna(described["load_before"])


def test_stand_ins_for_trained_runs_are_whole_records(tmp_path):
    """There is one record per run, with its own settings; they are collected, with time and memory."""
    study = workflow.write_preset(tmp_path, runs=16)
    short = {"iterations": 20, "evaluations": 4}
    workflow.fill(study.model_copy(update={"base": study.base | short}), tmp_path)
    options = ("--runs", tmp_path / "runs", "--run-ids", tmp_path / "run_ids.txt", "--output", tmp_path)
    measured = workflow.cost(workflow.python("analysis", "collect", *options))
    assert measured["seconds"] > 0 and measured["memory_mib"] > 0
    tables = read_tables(tmp_path)
    assert tables.runs["run_id"].tolist() == sorted((tmp_path / "run_ids.txt").read_text().split())
    assert len(tables.runs.drop_duplicates(["method", "temperature", "seed"])) == 16
    assert (tables.history.groupby("run_id")["iteration"].max() == 20).all()


def test_the_workflow_of_a_study_is_planned_and_a_failure_is_told(tmp_path):
    workflow.write_preset(tmp_path, runs=8)
    planned = workflow.snakemake(tmp_path, "--dry-run")
    assert workflow.cost(planned, "Job stats:")["memory_mib"] > 0
    with pytest.raises(RuntimeError, match="ended with 0"):
        workflow.cost(planned, "no such words")
    with pytest.raises(ValueError, match="runs: 10; allowed"):
        workflow.preset(10)


@pytest.mark.long
def test_every_step_of_the_workflow_is_measured_and_drawn(tmp_path):
    rows = pd.DataFrame(workflow.measure(tmp_path, runs=4), columns=workflow.COLUMNS)
    assert set(rows.step) == set(workflow.STEPS) and (rows.runs == 4).all()
    assert len(figures.draw_workflow(rows).axes) == 2
