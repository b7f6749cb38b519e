"""`lgn probe gradient`: the gradients that a net starts with, against float64 autograd and against training itself."""

import csv
import dataclasses
import io
import math

import numpy as np
import pytest
import torch
from training_process import SETTINGS

from lgn.cli import main
from lgn.data.encoding import encode
from lgn.errors import LgnError
from lgn.methods import METHODS
from lgn.prepare import build_network, read_data
from lgn.randomness import Batches
from lgn.run import Execution, parse_run
from lgn.train import train
from probes.gradient import measure, parse_net, predictions, probe_like, probe_methods, same_ratio

NET = dict(
    dataset="digits", thresholds=4, depth=3, width=200, group_temperature=4, batch_size=32, temperature=0.5, seed=0
)  # fmt: skip


def net(**changed):
    return parse_net(NET | changed, "test")


def float64_gradients(run, data_dir, method):
    """Each layer's gradient (width, 16) float64 by autograd on the reference, of the first batch."""
    dataset, thresholds = read_data(run, data_dir)
    network = build_network(run, thresholds.size).double()
    network.estimator = dataclasses.replace(
        run.estimator, **{"temperature": run.temperature} | METHODS[method]
    )
    batch = Batches(len(dataset.train.labels), run.batch_size, run.seed)[0]
    bits = torch.from_numpy(encode(dataset.train.images[batch], thresholds))
    scores = network.reference_scores(bits, "train_mode", 0, 0)
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(dataset.train.labels[batch])).backward()
    return [logits.grad for logits in network.logits]


@pytest.mark.parametrize(
    "method, depth", [("dlgn", 24), ("dlgn", 48), ("gumbel_soft", 24), ("glgn", 6), ("hard_st", 6)]
)
def test_gradients_are_those_of_float64_autograd_in_every_layer(tmp_path, method, depth):
    run = net(depth=depth)
    expected = float64_gradients(run, tmp_path, method)
    rows = probe_methods(run, tmp_path, [method])
    assert [row["layer"] for row in rows] == list(range(1, depth + 1))
    measured = np.array([row["gradient_rms"] for row in rows])
    assert measured == pytest.approx([math.sqrt(g.square().mean()) for g in expected], rel=1e-3, abs=0)
    below = [float((g.abs() < 1e-8).double().mean()) for g in expected]
    assert [row["below_epsilon_share"] for row in rows] == pytest.approx(below, abs=2 / 3200)
    # What makes the test one of range: these squares, and at depth 48 the numbers, have no place in float32.
    assert method != "dlgn" or (measured[0] < 1e-15 and (depth < 48 or measured[0] < 1e-30))


@pytest.mark.parametrize("method", ["dlgn", "glgn"])
def test_the_probe_says_what_training_sees_at_its_first_step(tmp_path, method):
    """After one step Adam's bias-corrected second moment is that step's squared gradient."""
    stated = NET | METHODS[method] | {"epsilon": 1e-6, "loss_scale": 3.0}
    run = parse_run(SETTINGS | stated | {"iterations": 1, "evaluations": 2})
    train(run, tmp_path / "run", tmp_path, Execution(backend="numba", device="cpu"))
    with open(tmp_path / "run" / "history.csv") as file:
        last = list(csv.DictReader(file))[-1]
    for row in probe_methods(run, tmp_path, [method]):
        for column in ("gradient_rms", "below_epsilon_share"):
            # A logit or two at epsilon's edge may fall to either side.
            assert row[column] == pytest.approx(
                float(last[f"{column}_layer{row['layer']:02d}"]),
                rel=1e-3,
                abs=2 / 3200 if "share" in column else 0,
            )
        assert row["ratio"] == row["gradient_rms"] / 1e-6


@pytest.mark.parametrize("labels", ["shuffled", "redrawn"])
def test_labels_are_those_that_training_is_told(tmp_path, labels):
    run = parse_run(SETTINGS | {"training_labels": labels, "iterations": 1, "evaluations": 2})
    train(run, tmp_path / "run", tmp_path, Execution(backend="numba", device="cpu"))
    with open(tmp_path / "run" / "history.csv") as file:
        last = list(csv.DictReader(file))[-1]
    rows = probe_methods(run, tmp_path, ["glgn"])
    assert [row["gradient_rms"] for row in rows] == pytest.approx(
        [float(last[f"gradient_rms_layer{layer:02d}"]) for layer in (1, 2, 3)], rel=1e-3, abs=0
    )


def test_measuring_leaves_the_logits_as_they_were(tmp_path):
    run = net()
    dataset, thresholds = read_data(run, tmp_path)
    network = build_network(run, thresholds.size)
    before = [logits.detach().clone() for logits in network.logits]
    measure(network, thresholds, dataset.train.images[:32], dataset.train.labels[:32], run.optimizer_settings)
    assert all(torch.equal(a, b) for a, b in zip(network.logits, before, strict=True))
    assert int(network.iteration) == 0


def test_the_other_nets_epsilon_times_the_quotient_gives_its_ratio(tmp_path):
    run, other = net(width=400), net(group_temperature=40, epsilon=1e-10)
    rows = probe_like(run, other, tmp_path)
    for row, theirs in zip(rows, probe_methods(other, tmp_path, ["dlgn"]), strict=True):
        assert row["gradient_rms"] / row["epsilon_for_same_ratio"] == pytest.approx(theirs["ratio"])
    for row in probe_like(other, other, tmp_path):
        assert row["epsilon_for_same_ratio"] == pytest.approx(1e-10)


def test_loss_scale_and_epsilon_that_grow_together_keep_the_ratio(tmp_path):
    """Adam's invariance: a factor on loss and epsilon changes no step."""
    scaled = probe_methods(net(loss_scale=1000.0, epsilon=1e-5), tmp_path, ["dlgn"])
    for row, plain in zip(scaled, probe_methods(net(), tmp_path, ["dlgn"]), strict=True):
        assert row["ratio"] == pytest.approx(plain["ratio"])
        assert row["below_epsilon_share"] == plain["below_epsilon_share"]


def test_a_prediction_names_the_layers_below_epsilon_and_their_first_steps():
    ratios = {"dlgn": (0.001, 0.01, 2.0, 0.5), "hard_st": (5.0, 5.0, 5.0, 5.0)}
    rows = [
        {"method": method, "layer": layer, "epsilon": 1e-8, "ratio": ratio}
        for method, several in ratios.items()
        for layer, ratio in enumerate(several, start=1)
    ]
    assert predictions(rows, 0.1) == [
        "DLGN: layers 1 to 2, 4 of 4 start below epsilon = 1e-08: Adam's first steps there are about "
        "learning_rate * ratio, 0.0001 to 0.05, instead of 0.1",
        "Hard-ST: no layer starts below epsilon = 1e-08",
    ]


def test_what_has_no_answer_is_refused(tmp_path):
    with pytest.raises(LgnError, match=r"^optimizer: sgd has no epsilon; allowed: adam, adam_inside$"):
        probe_methods(net(optimizer="sgd"), tmp_path)
    with pytest.raises(LgnError, match=r"^depth: 4 in --like; allowed: 3, the depth of the first net$"):
        probe_like(net(), net(depth=4), tmp_path)
    with pytest.raises(
        LgnError, match=r"^depth: 100 with grad_factor 1: the gradient leaves float32's range in layer 1;"
    ):
        probe_methods(net(depth=100), tmp_path, ["dlgn"])
    with pytest.raises(
        LgnError, match=r"^depth: 12 with grad_factor 1000: the gradient leaves float32's range in layer 1;"
    ):
        probe_methods(net(depth=12, grad_factor=1000), tmp_path, ["glgn"])


def test_rows_of_two_nets_are_paired_by_layer():
    rows = [{"layer": 1, "gradient_rms": 6e-9, "epsilon": 1e-8}]
    others = [{"layer": 1, "gradient_rms": 2e-9, "epsilon": 1e-6}]
    assert same_ratio(rows, others)[0]["epsilon_for_same_ratio"] == pytest.approx(3e-6)


def arguments(**changed):
    return [f"{key}={value}" for key, value in (NET | changed).items()]


def test_the_command_takes_settings_without_method_and_iterations(tmp_path, capsys):
    where = ["--data-dir", str(tmp_path)]
    assert main(["probe", "gradient", *arguments(), *where]) == 0
    printed, said = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [(row["method"], row["temperature"], int(row["layer"])) for row in rows] == [
        (method, temperature, layer)
        for method, temperature in (("dlgn", "1"), ("glgn", "0.5"), ("gumbel_soft", "0.5"), ("hard_st", "1"))
        for layer in (1, 2, 3)
    ]
    assert [line.split(":")[0] for line in said.splitlines()] == ["DLGN", "GLGN", "Gumbel soft", "Hard-ST"]
    assert main(["probe", "gradient", *arguments(), *where, "--output", str(tmp_path / "rows.csv")]) == 0
    assert capsys.readouterr().out == "" and (tmp_path / "rows.csv").read_text() == printed


def test_the_command_takes_a_record_for_its_settings(tmp_path, capsys):
    run = parse_run(SETTINGS | NET | {"iterations": 20, "evaluations": 2})
    train(run, tmp_path / "run", tmp_path, Execution(backend="numba", device="cpu"))
    where = ["--data-dir", str(tmp_path)]
    assert main(["probe", "gradient", str(tmp_path / "run"), *where]) == 0
    of_record = capsys.readouterr()
    assert main(["probe", "gradient", *arguments(), *where]) == 0
    assert capsys.readouterr() == of_record
    assert main(["probe", "gradient", *arguments(), "--like", str(tmp_path / "run"), *where]) == 0
    printed, said = capsys.readouterr()
    assert {row["epsilon_for_same_ratio"] for row in csv.DictReader(io.StringIO(printed))} == {"1e-08"}
    assert said == "DLGN: epsilon = 1e-08 gives the same ratio in the median layer; 1e-08 to 1e-08 by layer\n"


def test_wrong_commands_are_one_line(tmp_path, capsys):
    assert main(["probe", "gradient", *arguments(flavour=1)]) == 2
    assert main(["probe", "gradient", "dataset=digits"]) == 2
    assert main(["probe", "gradient", str(tmp_path)]) == 2
    assert main(["probe", "gradient", *arguments(), "--like", *arguments(depth=4)]) == 2
    assert main(["probe", "layers", str(tmp_path), "--like", str(tmp_path)]) == 2
    assert main(["probe", "line", "a", "b", "c"]) == 2
    unknown, missing, no_record, depth, like, three = capsys.readouterr().err.splitlines()
    assert unknown.startswith("lgn: lgn probe gradient: flavour: unknown key; allowed: ")
    assert missing == "lgn: lgn probe gradient: thresholds: is missing and has no default"
    assert no_record.startswith(f"lgn: {tmp_path / 'run.json'}: not a run record")
    assert depth == "lgn: depth: 4 in --like; allowed: 3, the depth of the first net"
    assert like == "lgn: --like: is given to probe 'layers'; allowed: to gradient"
    assert three == "lgn: probe: 'line' of 3 records; allowed: one, or two of a line"
