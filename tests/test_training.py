"""Small real trainings: they learn, are repeatable, resume, and their records say what happened."""

import csv
import json
import math

import numpy as np
import pytest
import torch

from lgn import metrics
from lgn.errors import LgnError
from lgn.prepare import build_network
from lgn.records import CHECKPOINT, read_checkpoint, write_checkpoint
from lgn.restore import evaluate_record
from lgn.run import Execution, parse_run
from lgn.train import train

RUN = dict(
    dataset="digits", thresholds=4, depth=3, width=200, noise="none", temperature=1.0, straight_through=False,
    group_temperature=4.0, batch_size=32, iterations=300, evaluations=20, seed=0,
)  # fmt: skip
CLOCKS = ("training_seconds", "elapsed_seconds")
TORCH = Execution(backend="torch", device="cpu")


def history(directory):
    with open(directory / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def without_clocks(rows):
    return [{column: value for column, value in row.items() if column not in CLOCKS} for row in rows]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("dlgn")
    return train(parse_run(RUN), directory, directory / "no_data", TORCH), directory


def test_a_network_learns_digits(trained):
    """Ten classes: chance is 10%. Chance has a loss of log 10."""
    record, _ = trained
    assert record["status"] == "completed"
    assert record["final"]["test_accuracy_soft"] > 0.7
    assert record["final"]["loss"] < math.log(10) - 0.6


def test_the_record_is_complete_and_consistent(trained):
    record, directory = trained
    assert sorted(path.name for path in directory.iterdir()) == [
        "gates.npz",
        "history.csv",
        "run.json",
        "weights.safetensors",
    ]
    rows = history(directory)
    assert [int(row["iteration"]) for row in rows][::19] == [0, 300][: len(rows[::19])]
    assert rows[0]["loss"] == "" and rows[0]["gate_change_share"] == ""
    assert float(rows[0]["unused_share"]) == pytest.approx(
        0.975, abs=0.03
    )  # four standard errors of 600 neurons
    assert record["unused_threshold"] == metrics.unused_threshold()
    clock = [float(row["training_seconds"]) for row in rows]
    assert clock == sorted(clock) and clock[-1] < float(rows[-1]["elapsed_seconds"])
    for column, value in rows[-1].items():
        assert record["final"][column] == pytest.approx(float(value), rel=1e-6), column
    gates = np.load(directory / "gates.npz")
    assert gates["counts"].sum() == 600 and gates["entropies"].shape == (3, 200)
    share = (gates["entropies"] > record["unused_threshold"]).mean()
    assert share == pytest.approx(record["final"]["unused_share"], abs=0.002)
    assert json.loads((directory / "run.json").read_text())["settings"] == parse_run(RUN).model_dump()


def test_gaps_are_the_differences_of_the_accuracies(trained):
    for row in history(trained[1]):
        soft, discrete, sampled = (
            float(row[f"test_accuracy_{m}"]) for m in ("soft", "discrete", "train_mode")
        )
        assert float(row["discretization_gap"]) == pytest.approx(abs(sampled - discrete), abs=1e-6)
        assert float(row["soft_discretization_gap"]) == pytest.approx(abs(soft - discrete), abs=1e-6)
        assert sampled == soft  # DLGN trains on its soft weights


def test_stored_weights_evaluate_to_the_recorded_accuracies(trained):
    for column, (recorded, now) in evaluate_record(trained[1], trained[1] / "no_data", TORCH).items():
        assert now == pytest.approx(recorded, abs=1e-9), column


@pytest.mark.parametrize(
    ("noise", "straight_through"), [("gumbel", True), ("gumbel", False), ("none", True), ("logistic", True)]
)
def test_a_run_repeats_itself_and_evaluating_more_changes_nothing(tmp_path, noise, straight_through):
    settings = RUN | {
        "noise": noise,
        "straight_through": straight_through,
        "temperature": 0.5,
        "iterations": 60,
    }
    for name, evaluations in (("a", 10), ("b", 10), ("c", 30)):
        train(parse_run(settings | {"evaluations": evaluations}), tmp_path / name, tmp_path, TORCH)
    assert without_clocks(history(tmp_path / "a")) == without_clocks(history(tmp_path / "b"))
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] == weights[2]


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("straight_through", [True, False])
def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch, backend, straight_through):
    settings = RUN | {
        "noise": "gumbel",
        "straight_through": straight_through,
        "temperature": 0.5,
        "iterations": 80,
    }
    run, execution = parse_run(settings), Execution(backend=backend, device="cpu")
    monkeypatch.setattr("lgn.state.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("lgn.state.CHECKPOINT_SHARE", math.inf)
    train(run, tmp_path / "whole", tmp_path, execution)

    def interrupt(iteration, row):
        if row is not None and iteration > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, tmp_path / "cut", tmp_path, execution, interrupt)
    assert [path.name for path in (tmp_path / "cut").iterdir()] == [CHECKPOINT]
    reached = []
    train(run, tmp_path / "cut", tmp_path, execution, lambda iteration, row: reached.append(iteration))
    assert min(reached) > 20
    for name in ("weights.safetensors", "gates.npz"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert without_clocks(history(tmp_path / "cut")) == without_clocks(history(tmp_path / "whole"))
    assert not (tmp_path / "cut" / CHECKPOINT).exists()


def test_a_checkpoint_with_rows_of_other_columns_is_refused(tmp_path, monkeypatch):
    """Rows of two versions in one history.csv would have the wrong headers."""
    run = parse_run(RUN | {"iterations": 20})
    monkeypatch.setattr("lgn.state.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("lgn.state.CHECKPOINT_SHARE", math.inf)

    def interrupt(iteration, row):
        if iteration > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, tmp_path, tmp_path, TORCH, interrupt)
    state, tensors = read_checkpoint(tmp_path)
    del state["fingerprint"]["history"]  # as before rows had gradients
    write_checkpoint(tmp_path, state, tensors)
    with pytest.raises(
        LgnError, match="checkpoint.safetensors: was made by .* remove it to start this run anew"
    ):
        train(run, tmp_path, tmp_path, TORCH)
    assert read_checkpoint(tmp_path) is not None


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(tmp_path):
    run = parse_run(RUN)
    write_checkpoint(tmp_path, {"fingerprint": {"run_id": "other"}, "history": []}, {"x": torch.zeros(1)})
    with pytest.raises(LgnError, match="checkpoint.safetensors: was made by .*other"):
        train(run, tmp_path, tmp_path, TORCH)
    content = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(content[:-2])
    with pytest.raises(LgnError, match="checkpoint.safetensors: cannot be read") as refused:
        train(run, tmp_path, tmp_path, TORCH)
    assert "\n" not in str(refused.value)


def test_a_time_budget_ends_the_run_early_and_says_so(tmp_path):
    run = parse_run(RUN | {"iterations": 10**6, "time_budget_seconds": 0.3})
    record = train(run, tmp_path, tmp_path, TORCH)
    assert record["status"] == "time_budget"
    assert 0.3 <= record["final"]["training_seconds"] < 5
    assert 0 < record["final"]["iteration"] < 10**6


def test_a_time_budget_that_ends_at_an_evaluation_is_no_divergence(tmp_path):
    """No step follows that row, so a further row would have no loss."""
    record = train(parse_run(RUN | {"time_budget_seconds": 1e-9}), tmp_path, tmp_path, TORCH)
    assert record["status"] == "time_budget"
    assert [int(row["iteration"]) for row in history(tmp_path)] == [0, 1]
    whole = parse_run(RUN | {"iterations": 1, "evaluations": 2, "time_budget_seconds": 1e-9})
    assert train(whole, tmp_path / "whole", tmp_path, TORCH)["status"] == "completed"


def test_a_run_that_diverges_is_recorded_as_such(tmp_path, monkeypatch):
    """A learning rate of 100 does not make a softmax overflow, so the loss is made NaN by a NaN logit."""
    monkeypatch.setattr("lgn.train.build_network", nan_network(build_network))
    record = train(parse_run(RUN), tmp_path, tmp_path, TORCH)
    assert record["status"] == "diverged"
    assert record["final"]["loss"] is None
    assert history(tmp_path)[-1]["loss"] == ""


def nan_network(build):
    def built(run, inputs):
        network = build(run, inputs)
        with torch.no_grad():
            network.logits[0][0, 0] = math.nan
        return network

    return built


def test_a_gpu_that_is_not_there_is_refused(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(
        LgnError, match="device: cuda was asked for, but torch sees no GPU here; allowed: cpu"
    ):
        train(parse_run(RUN), tmp_path, tmp_path, Execution(device="cuda"))


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_a_cifar_run_trains_on_the_official_files_and_records_what_it_did(cifar_dir, tmp_path, dataset):
    """3 thresholds x 3 channels x 32 x 32 pixels: 9,216 inputs. A net this small only has to leave chance."""
    settings = RUN | {"dataset": dataset, "thresholds": 3, "width": 2000, "depth": 2, "batch_size": 128}
    run = parse_run(settings | {"group_temperature": 10.0, "evaluations": 4, "iterations": 200})
    record = train(run, tmp_path, cifar_dir, Execution(backend="numba"))
    classes = int(dataset.removeprefix("cifar"))
    assert record["inputs"] == 9216
    assert record["environment"]["backend"] == "numba"
    assert [int(row["iteration"]) for row in history(tmp_path)] == [0, 1, 100, 200]
    assert record["final"]["test_accuracy_soft"] > 2 / classes
    assert record["final"]["loss"] < math.log(classes)
    recorded, now = evaluate_record(tmp_path, cifar_dir)["test_accuracy_discrete"]
    assert now == pytest.approx(recorded, abs=1e-9)
