"""The numba backend against the reference network: float64 autograd, a truth-table loop, the torch engine."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from losses import mean_loss

from lgn.errors import LgnError
from lgn.gates import GATES, TRUTH_TABLE
from lgn.kernels import make_engine, resolve
from lgn.kernels.cpu.threads import wait
from lgn.methods import Estimator, OptimizerSettings
from lgn.network import LogicNetwork
from lgn.noise import gumbel, uniforms

METHODS = [
    Estimator(noise, temperature, straight_through, grad_factor)
    for (noise, straight_through), (temperature, grad_factor) in itertools.product(
        itertools.product(("none", "gumbel", "gaussian", "logistic", "uniform"), (True, False)),
        ((1.0, 1.0), (0.3, 1.5)),
    )
]
PIXELS, LEVELS = 12, np.repeat(np.array([[60], [128], [200]], np.uint8), 12, axis=1)


def network(estimator, width=30, depth=3, seed=0, **overrides):
    keys = dict(
        inputs=LEVELS.size, classes=10, depth=depth, width=width, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=2.0, estimator=estimator, seed=seed,
    )  # fmt: skip
    return LogicNetwork(**keys | overrides)


def images(count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, PIXELS), dtype=np.uint8), generator.integers(0, 10, count)


def bits_of(pixels):
    return (pixels[:, None, :] > LEVELS).reshape(len(pixels), -1)


def engine(backend, estimator, **overrides):
    return make_engine(network(estimator, **overrides), LEVELS, OptimizerSettings(0.01), backend, "cpu")


def autograd_gradients(estimator, pixels, labels, **overrides):
    """Logit gradients of the reference network in float64, under the float32 engines' own noise."""
    reference = network(estimator, **overrides).double().train()
    scores = reference(torch.from_numpy(bits_of(pixels)))
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).backward()
    return [logits.grad.numpy() for logits in reference.logits]


def first_step_gradients(trained):
    """Adam's first moment after one step is 0.1 times the gradient."""
    return [
        moment.numpy() / 0.1
        for name, moment in trained.optimizer_state().items()
        if name.startswith("adam_m")
    ]


@pytest.mark.parametrize("estimator", METHODS, ids=str)
def test_gradients_equal_float64_autograd(estimator):
    pixels, labels = images(50)
    trained = engine("numba", estimator)
    trained.step(pixels, labels)
    for ours, exact in zip(
        first_step_gradients(trained), autograd_gradients(estimator, pixels, labels), strict=True
    ):
        assert np.abs(ours - exact).max() <= 1e-5 * np.abs(exact).max()


@given(
    width=st.integers(1, 9).map(lambda group: 10 * group),
    depth=st.integers(1, 4),
    batch=st.integers(1, 70),
    straight_through=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_gradients_at_any_shape(width, depth, batch, straight_through, seed):
    """Batches that do not fill a word, neurons without consumers or with one input twice (random wiring has both)."""
    estimator = Estimator("gumbel", 0.5, straight_through)
    pixels, labels = images(batch, seed)
    trained = engine("numba", estimator, width=width, depth=depth, seed=seed)
    trained.step(pixels, labels)
    exact = autograd_gradients(estimator, pixels, labels, width=width, depth=depth, seed=seed)
    for ours, theirs in zip(first_step_gradients(trained), exact, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max() + 1e-12


@pytest.mark.parametrize("gate", range(GATES))
def test_discrete_forward_is_the_truth_table_for_every_gate(gate):
    """A net of one gate: class sums counted neuron by neuron from the table."""
    pixels, _ = images(77)
    single = engine("numba", Estimator("none", 1.0, True), depth=1)
    with torch.no_grad():
        single.network.logits[0].zero_()[:, gate] = 9.0
    bits = bits_of(pixels).astype(int)
    first, second = single.network.wiring(0).numpy()
    outputs = TRUTH_TABLE[gate, 2 * bits[:, first] + bits[:, second]]
    expected = outputs.reshape(77, 10, -1).sum(2) / 2.0
    assert (single.scores(pixels, "discrete") == expected).all()


@pytest.mark.parametrize("count", [1, 31, 32, 33, 1500])
def test_discrete_scores_equal_the_references_bit_for_bit(count):
    pixels, _ = images(count)
    estimator = Estimator("gumbel", 0.3, True)
    ours, reference = (
        engine("numba", estimator, width=170, depth=5),
        engine("torch", estimator, width=170, depth=5),
    )
    for mode in ("discrete", "train_mode"):
        assert (ours.scores(pixels, mode, 2) == reference.scores(pixels, mode, 2)).all()
    np.testing.assert_allclose(ours.scores(pixels, "soft"), reference.scores(pixels, "soft"), rtol=2e-5)


@pytest.mark.parametrize("estimator", METHODS[:4] + METHODS[6:8], ids=str)
def test_losses_agree_step_by_step_with_the_torch_engine(estimator):
    """Up to the first near tie of two gates that rounding decides; in 40 steps of this small net there is none."""
    ours, reference = engine("numba", estimator, width=60), engine("torch", estimator, width=60)
    for step in range(40):
        pixels, labels = images(32, seed=step)
        ours.step(pixels, labels)
        reference.step(pixels, labels)
        assert mean_loss(ours) == pytest.approx(mean_loss(reference), rel=2e-4), step


def test_sampled_gates_equal_the_references_except_near_ties():
    estimator = Estimator("gumbel", 0.3, True)
    ours, reference = (engine(backend, estimator, width=5000, depth=2) for backend in ("numba", "torch"))
    pixels, _ = images(32)
    ours.scores(pixels, "train_mode")
    keys = [draw.key for draw in reference.network.draws("train_mode", None)]
    for layer in range(2):
        noisy = (
            reference.network.logits[layer].detach().double() + gumbel(uniforms(keys[layer], 5000)).double()
        )
        best, second = noisy.topk(2).values.unbind(-1)
        differs = torch.from_numpy(ours.gates[layer].astype(np.int64)) != noisy.argmax(-1)
        assert (best - second)[differs].lt(1e-5).all()


def test_parameters_are_views_of_the_rows_and_loading_sets_them():
    estimator = Estimator("gumbel", 0.5, True)
    trained, fresh = engine("numba", estimator), engine("numba", estimator, seed=7)
    for step in range(3):
        trained.step(*images(32, step))
    fresh.network.noise_seed = trained.network.noise_seed
    for layer in range(3):
        fresh.network.wiring(layer)[:] = trained.network.wiring(layer)
    fresh = make_engine(fresh.network, LEVELS, OptimizerSettings(0.01), "numba", "cpu")
    fresh.network.load_state_dict(trained.network.state_dict())
    fresh.load_optimizer_state(trained.optimizer_state())
    for step in range(3, 6):
        trained.step(*images(32, step))
        fresh.step(*images(32, step))
    for ours, theirs in zip(
        trained.network.state_dict().values(), fresh.network.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_evaluating_changes_no_training():
    estimator = Estimator("gumbel", 0.5, False)
    quiet, watched = engine("numba", estimator), engine("numba", estimator)
    for step in range(5):
        for trained in (quiet, watched):
            trained.step(*images(20, step))
        for mode in ("discrete", "soft", "train_mode"):
            watched.scores(images(40)[0], mode)
    for ours, theirs in zip(quiet.network.logits, watched.network.logits, strict=True):
        assert torch.equal(ours, theirs)


def test_a_hundred_classes():
    pixels, labels = images(40)
    labels = labels * 9 + 5
    estimator = Estimator("none", 1.0, False)
    trained = engine("numba", estimator, width=200, classes=100)
    trained.step(pixels, labels)
    exact = autograd_gradients(estimator, pixels, labels, width=200, classes=100)
    for ours, theirs in zip(first_step_gradients(trained), exact, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


@given(
    width=st.integers(1, 9).map(lambda group: 10 * group),
    threads=st.integers(2, 7),
    batch=st.integers(1, 150),
    straight_through=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_any_number_of_threads_gives_the_same_bytes(width, threads, batch, straight_through):
    """Some have more threads than cores, so waiting threads yield their core."""
    estimator = Estimator("gumbel", 0.5, straight_through)
    alone = engine("numba", estimator, width=width)
    team = make_engine(
        network(estimator, width=width), LEVELS, OptimizerSettings(0.01), "numba", "cpu", threads
    )
    for step in range(4):
        for trained in (alone, team):
            trained.step(*images(batch, step))
    assert mean_loss(alone) == mean_loss(team)
    for ours, theirs in zip(alone.optimizer_state().values(), team.optimizer_state().values(), strict=True):
        assert torch.equal(ours, theirs)
    pixels, _ = images(1500)
    for mode in ("discrete", "soft", "train_mode"):
        assert (alone.scores(pixels, mode, 1) == team.scores(pixels, mode, 1)).all()


def test_threads_that_wait_for_an_interrupted_one_are_let_go():
    """For example by a signal after the other threads have started and before this one starts."""
    estimator = Estimator("gumbel", 0.5, True)
    alone = engine("numba", estimator)
    team = make_engine(network(estimator), LEVELS, OptimizerSettings(0.01), "numba", "cpu", 3)

    def part(thread):
        if thread == 0:
            raise KeyboardInterrupt
        wait(team.barrier, 3)

    with pytest.raises(KeyboardInterrupt):
        team._together(part)
    for trained in (alone, team):
        trained.step(*images(40))
    assert mean_loss(alone) == mean_loss(team)


@pytest.mark.parametrize("device", ["cuda:2", "cuda:7"])
def test_a_gpu_beyond_those_there_are_is_refused(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(LgnError, match=f"^device: {device} is not there; allowed: cpu, cuda:0 to cuda:1$"):
        resolve("torch", device)
    assert resolve("torch", "cuda:1") == ("torch", "cuda:1")
