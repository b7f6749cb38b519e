"""Learned wiring: gradients of the choices, the net that is deployed, its record, and who does not compute it."""

import numpy as np
import pytest
import torch
from training_process import record_bytes

import lgn.kernels
from circuits.classifier import classifier, pixel_words, unpacked_classes
from lgn.arrays import stacked_wiring
from lgn.errors import LgnError
from lgn.gates import TRUTH_TABLE
from lgn.inference import DiscreteNetwork
from lgn.kernels import make_engine
from lgn.kernels.abilities import inability
from lgn.memory import needed_bytes
from lgn.methods import spell_out_method
from lgn.prepare import build_network
from lgn.records import read_weights
from lgn.restore import evaluate_record, restore
from lgn.run import Execution, parse_run
from lgn.stopping import Stopped, StopRequest
from lgn.train import train
from probes.gradient import probe_methods
from probes.record import probe_record

NET = dict(
    dataset="digits", thresholds=2, depth=2, width=60, group_temperature=2.0, batch_size=32, learning_rate=0.05,
    iterations=80, evaluations=4, seed=0, candidates=4,
)  # fmt: skip
METHODS = ("dlgn", "hard_st", "walsh")
LEVELS = np.repeat(np.array([[5], [10]], np.uint8), 64, axis=1)


def run_of(method="dlgn", **settings):
    return parse_run(NET | spell_out_method({"method": method, **settings}, "test", NET))


def network_of(run):
    return build_network(run, inputs=LEVELS.size)


def images(count):
    generator = np.random.default_rng(0)
    return generator.integers(0, 17, (count, 64), dtype=np.uint8), generator.integers(0, 10, count)


def bits_of(pixels):
    return torch.from_numpy((pixels[:, None, :] > LEVELS).reshape(len(pixels), -1))


@pytest.mark.parametrize("method", ["dlgn", "hard_st"])
def test_gradients_are_those_of_the_formula_in_float64(method):
    """x_a = sum of w_k x_k, w = softmax(choices); hard, what is read is the argmax's and w's gradient stays."""
    pixels, labels = images(20)
    network, hard = network_of(run_of(method)).train(), method == "hard_st"
    torch.nn.functional.cross_entropy(network(bits_of(pixels)), torch.from_numpy(labels)).backward()
    logits = [z.detach().double().requires_grad_() for z in network.logits]
    choices = [c.detach().double().requires_grad_() for c in network.choices]
    gate_bits = torch.from_numpy(TRUTH_TABLE).double()
    x = bits_of(pixels).double()
    for layer in range(NET["depth"]):
        places = network.get_buffer(f"candidates_{layer}").long()
        read = []
        for side in (0, 1):
            weights = torch.exp(choices[layer][side])
            weights = weights / weights.sum(1, keepdim=True)
            one = torch.eye(NET["candidates"], dtype=torch.float64)[weights.argmax(1)]
            weights = one + weights - weights.detach() if hard else weights
            read.append(sum(x[:, places[side, :, k]] * weights[:, k] for k in range(NET["candidates"])))
        a, b = read
        cells = torch.stack([(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b])
        gates = torch.softmax(logits[layer], 1)
        gates = (
            torch.eye(16, dtype=torch.float64)[gates.argmax(1)] + gates - gates.detach() if hard else gates
        )
        x = torch.einsum("cnw,wg,gc->nw", cells, gates, gate_bits)
    scores = x.view(len(x), 10, -1).sum(2) / NET["group_temperature"]
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).backward()
    for ours, exact in zip([*network.choices, *network.logits], [*choices, *logits], strict=True):
        assert (ours.grad - exact.grad).abs().max() < 1e-5 * exact.grad.abs().max()


@pytest.fixture(scope="module", params=METHODS)
def trained(request, tmp_path_factory):
    run, folder = run_of(request.param), tmp_path_factory.mktemp("learned")
    return run, folder, train(run, folder / "whole", folder)


def test_a_training_learns_and_its_record_gives_the_recorded_accuracies(trained):
    _, folder, record = trained
    assert record["environment"]["backend"] == "torch" and record["status"] == "completed"
    assert record["final"]["test_accuracy_discrete"] > 0.3  # Chance is 0.1.
    for column, (recorded, now) in evaluate_record(folder / "whole", folder).items():
        assert recorded == now, column


def test_the_deployed_net_is_what_argmax_says_and_a_circuit(trained):
    run, folder, _ = trained
    weights, start = read_weights(folder / "whole"), network_of(run)
    _, network, splits, thresholds = restore(folder / "whole", folder)
    moved = 0
    for layer in range(run.depth):
        candidates, choices = weights[f"candidates_{layer}"], weights[f"choices.{layer}"]
        places = choices.numpy().argmax(2)[..., None]
        wiring = np.take_along_axis(candidates.numpy(), places, 2)[..., 0]
        assert (weights[f"wiring_{layer}"].numpy() == wiring).all()
        assert (stacked_wiring(network)[layer] == wiring).all()
        moved += int((start.wiring(layer).numpy() != wiring).sum())
    assert moved > 10
    pixels = splits["test"][0][:100]
    engine = make_engine(network, thresholds, run.optimizer_settings, "torch", "cpu")
    deployed = DiscreteNetwork(network, thresholds)
    expected = engine.scores(pixels, "discrete").argmax(1)
    assert (deployed.predict(pixels) == expected).all()
    found = classifier(network, thresholds).evaluate(pixel_words(pixels))
    assert (unpacked_classes(found, len(pixels)) == expected).all()


def test_a_training_that_was_cut_ends_in_the_same_bytes(trained):
    run, folder, _ = trained
    stop = StopRequest()

    def ask(iteration, row):
        if row and iteration > 5:
            stop.signal = 15

    with pytest.raises(Stopped):
        train(run, folder / "cut", folder, progress=ask, stop=stop)
    train(run, folder / "cut", folder)
    assert record_bytes(folder / "cut") == record_bytes(folder / "whole")


def test_one_candidate_is_the_wiring_that_is_drawn_and_several_change_nothing_else():
    stated = run_of(candidates=1)
    assert stated.hash == parse_run(stated.model_dump(exclude={"candidates"})).hash != run_of().hash
    fixed, learned = network_of(stated), network_of(run_of())
    names = {f"{name}{layer}" for name in ("logits.", "wiring_") for layer in (0, 1)} | {"iteration"}
    assert set(fixed.state_dict()) == names < set(learned.state_dict())
    assert all(torch.equal(one, other) for one, other in zip(fixed.logits, learned.logits, strict=True))
    assert fixed.noise_seed == learned.noise_seed
    read = np.bincount(learned.get_buffer("candidates_1").flatten(), minlength=60)
    assert (read == 2 * 4).all()  # Every output is a candidate equally often.


def test_who_does_not_compute_it_says_so_in_a_line(tmp_path, capsys, trained):
    run = run_of()
    lgn.kernels._say.cache_clear()
    for backend in ("numba", "triton"):
        assert inability(backend, run.estimator) == f"candidates: 4 with backend {backend}; allowed there: 1"
    with pytest.raises(LgnError, match="^candidates: 4 with backend numba; allowed there: 1$"):
        train(run, tmp_path / "none", tmp_path, Execution(backend="numba"))
    assert make_engine(network_of(run), LEVELS, run.optimizer_settings).name == "torch"
    said = capsys.readouterr().err
    assert said.startswith("lgn: candidates: 4 with backend numba;") and said.count("\n") == 1
    with pytest.raises(LgnError, match="^test: candidates: 4 with wiring unique; allowed: 1"):
        parse_run(run.model_dump() | {"wiring": "unique", "width": 130}, "test")
    with pytest.raises(LgnError, match="^snapshots: 2 of a run with candidates, .*; allowed: 0$"):
        train(run, tmp_path / "none", tmp_path, Execution(snapshots=2))
    with pytest.raises(LgnError, match="^candidates: 4 with probe gradient; allowed: 1$"):
        probe_methods(run, tmp_path)
    with pytest.raises(LgnError, match="^candidates: 4 with probe hessian; allowed: 1$"):
        probe_record("hessian", trained[1] / "whole", trained[1])


def test_the_memory_estimate_grows_with_the_candidates():
    few, more = (needed_bytes([run_of(candidates=count)], "torch", "cpu") for count in (1, 128))
    choices = 2 * 60 * 2 * 128 * 4  # bytes of one copy
    assert more - few > 6 * choices
