"""Controls: randomised labels, an annealed temperature, SGD instead of Adam."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_kernels import LEVELS, images, network
from test_resume import StopAt
from training_process import SETTINGS, record_bytes

from lgn.data.splits import batch_labels, training_labels
from lgn.errors import LgnError
from lgn.kernels import make_engine
from lgn.methods import Estimator, OptimizerSettings
from lgn.restore import evaluate_record
from lgn.run import Execution, parse_run
from lgn.stopping import Stopped
from lgn.train import train
from probes.record import probe_record
from study.seeds import train_seeds

TORCH, NUMBA = (Execution(backend=backend, device="cpu") for backend in ("torch", "numba"))
SOFT = dict(noise="none", straight_through=False, temperature=1.0)


def parsed(**changed):
    return parse_run(SETTINGS | {"iterations": 60, "evaluations": 6} | changed)


def history(directory):
    with open(directory / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_temperature_moves_in_a_constant_ratio_between_its_ends():
    run = parsed(temperature=2.0, final_temperature=0.125, iterations=400)
    assert [run.estimator_at(i).temperature for i in (0, 100, 200, 400)] == pytest.approx(
        [2.0, 1.0, 0.5, 0.125]
    )
    assert parsed(temperature=0.3).estimator_at(17).temperature == 0.3


def test_shuffled_labels_are_the_same_ones_dealt_anew_by_the_seed():
    labels = np.repeat(np.arange(10), 50)
    one, again, other = (training_labels(labels, "shuffled", seed) for seed in (0, 0, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal(np.sort(one), labels) and (one == labels).mean() < 0.2
    assert training_labels(labels, "given", 0) is labels


def test_redrawn_labels_are_any_class_anew_at_every_step():
    labels = np.zeros(5000, np.int64)
    first, second = (batch_labels(labels, "redrawn", 0, iteration, 10) for iteration in (0, 1))
    assert np.array_equal(first, batch_labels(labels, "redrawn", 0, 0, 10)) and (first == second).mean() < 0.2
    assert np.bincount(first, minlength=10).min() > 400
    assert batch_labels(labels, "given", 0, 0, 10) is labels


@pytest.mark.parametrize("kind", ["shuffled", "redrawn"])
def test_a_network_that_is_told_no_truth_learns_none(tmp_path, kind):
    """On the test split, which keeps its labels. The net may memorise labels that do not change."""
    run = parsed(**SOFT, training_labels=kind, iterations=1500)
    record = train(run, tmp_path, tmp_path, NUMBA)
    assert record["final"]["test_accuracy_soft"] < 0.25
    if kind == "shuffled":
        assert record["final"]["train_accuracy_soft"] > 0.2 + record["final"]["test_accuracy_soft"] / 10


@pytest.mark.parametrize("execution", [TORCH, NUMBA], ids=["torch", "numba"])
def test_annealing_changes_the_training_as_the_estimator_would(tmp_path, execution):
    """Two steps: the first has the run's temperature, the second is half-way."""
    run = parsed(**SOFT | {"temperature": 1.0}, final_temperature=0.25, iterations=2, evaluations=2)
    train(run, tmp_path / "annealed", tmp_path, execution)
    train(parsed(**SOFT, iterations=2, evaluations=2), tmp_path / "constant", tmp_path, execution)
    first, second = (history(tmp_path / name) for name in ("annealed", "constant"))
    assert first[0]["loss"] == second[0]["loss"] == ""
    assert first[0]["test_accuracy_soft"] == second[0]["test_accuracy_soft"]
    assert float(first[-1]["loss"]) != float(second[-1]["loss"])


@pytest.mark.parametrize(
    "changed",
    [
        SOFT | dict(final_temperature=0.1),
        dict(training_labels="shuffled"),
        dict(training_labels="redrawn"),
        dict(optimizer="sgd", learning_rate=50.0),
    ],
    ids=lambda changed: list(changed)[-1],
)
@pytest.mark.parametrize("execution", [TORCH, NUMBA], ids=["torch", "numba"])
def test_a_control_that_is_stopped_goes_on_to_the_same_bytes(tmp_path, execution, changed):
    run = parsed(**changed)
    train(run, tmp_path / "whole", tmp_path, execution)
    for looks in (5, 25, 25):
        with pytest.raises(Stopped):
            train(run, tmp_path / "cut", tmp_path, execution, stop=StopAt(looks))
    train(run, tmp_path / "cut", tmp_path, execution)
    assert record_bytes(tmp_path / "cut") == record_bytes(tmp_path / "whole")


@pytest.mark.parametrize("backend", ["numba", "triton"])
@pytest.mark.parametrize("straight_through", [True, False])
def test_plain_descent_is_torchs(backend, straight_through):
    if backend == "triton":
        pytest.importorskip("triton")
    estimator = Estimator("gumbel", 0.5, straight_through)
    ours, reference = (
        make_engine(network(estimator), LEVELS, OptimizerSettings(20.0, "sgd"), name, "cpu")
        for name in (backend, "torch")
    )
    before = [logits.detach().clone() for logits in reference.network.logits]
    for step in range(3):
        for engine in (ours, reference):
            engine.step(*images(40, seed=step))
    for mine, theirs, start in zip(ours.network.logits, reference.network.logits, before, strict=True):
        moved = (theirs - start).abs().max()
        assert moved > 0
        assert (mine - theirs).abs().max() < 1e-4 * moved
    (total, count), (expected, _) = ours.take_losses(), reference.take_losses()
    assert count == 3 and total == pytest.approx(expected, rel=1e-5)
    assert ours.take_losses() == (0.0, 0)


@pytest.mark.parametrize("backend", ["numba", "triton"])
@pytest.mark.parametrize(
    "estimator", [Estimator("none", 1.0, False), Estimator("gumbel", 1.0, True)], ids=str
)
def test_an_estimator_set_between_steps_counts_in_the_kernels(backend, estimator):
    """Annealing needs this."""
    pytest.importorskip(backend)
    ours, reference = (
        make_engine(network(estimator), LEVELS, OptimizerSettings(0.01), name, "cpu")
        for name in (backend, "torch")
    )
    for step, temperature in enumerate((1.0, 0.5, 0.2)):
        for engine in (ours, reference):
            engine.network.estimator = replace(estimator, temperature=temperature)
            engine.step(*images(40, seed=step))
        assert ours.take_losses()[0] == pytest.approx(reference.take_losses()[0], rel=1e-4)
    assert all(
        torch.allclose(a, b, atol=1e-3)
        for a, b in zip(ours.network.logits, reference.network.logits, strict=True)
    )


@pytest.mark.parametrize("changed", [SOFT | dict(final_temperature=0.1), dict(training_labels="shuffled")])
def test_a_stored_control_is_measured_as_it_was_trained(tmp_path, changed):
    """At its last temperature, and on the randomised labels."""
    train(parsed(**changed), tmp_path, tmp_path, TORCH)
    for column, (recorded, now) in evaluate_record(tmp_path, tmp_path, TORCH).items():
        assert now == pytest.approx(recorded, abs=1e-9), column


def test_a_snapshot_has_the_temperature_of_its_moment(tmp_path):
    run = parsed(**SOFT | {"temperature": 4.0}, final_temperature=0.25, width=20)
    train(run, tmp_path, tmp_path, TORCH.model_copy(update={"snapshots": 2}))
    measured = {row["iteration"]: row["temperature"] for row in probe_record("hessian", tmp_path, tmp_path)}
    assert len(measured) == 3 and measured == {at: run.estimator_at(at).temperature for at in measured}


def test_what_seeds_together_have_no_kernels_for_is_refused(tmp_path):
    pytest.importorskip("triton")
    runs = {tmp_path / f"{seed}": parsed(optimizer="sgd", seed=seed) for seed in (0, 1)}
    with pytest.raises(LgnError, match="optimizer: sgd for seeds that train together; allowed: adam"):
        train_seeds(runs, tmp_path, Execution(backend="triton", device="cpu"))
