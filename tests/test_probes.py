"""The probes against computations of another kind: full Hessians, finite differences, loops over gates."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from lgn.data import read_digits
from lgn.data.catalog import DATASETS
from lgn.data.encoding import encode, thresholds
from lgn.errors import LgnError
from lgn.evaluate import mode_scores
from lgn.gates import GATES, NAMES, TRUTH_TABLE
from lgn.kernels import make_engine
from lgn.kernels.module import accelerate
from lgn.methods import Estimator, OptimizerSettings
from lgn.metrics import accuracy
from lgn.network import LogicNetwork
from lgn.run import Execution
from probes import class_gates, common, curvature, hessian, lemma, perturbation, surface, taylor

ENCODER = np.array([[0] * 6, [1] * 6], np.uint8)


def make(depth=3, width=10, classes=2, seed=3, estimator=Estimator("none", 1.0, False), **overrides):
    """A network on 6 pixels of values 0 to 2 with 2 thresholds; at seed 3 two neurons read one input twice."""
    settings = dict(
        inputs=12, classes=classes, depth=depth, width=width, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=1.3, estimator=estimator, seed=seed,
    )  # fmt: skip
    return LogicNetwork(**settings | overrides)


def make_splits(images=20, classes=2):
    generator = np.random.default_rng(0)
    return {
        "test": (
            generator.integers(0, 3, (images, 6), dtype=np.uint8),
            generator.integers(0, classes, images),
        )
    }


def make_examples(network, images=7):
    return common.examples(network, ENCODER, make_splits(images)["test"])


def mixture_loss(network, given, flat):
    """The mean loss as a function of all scaled logits in one vector: sixteen gates a neuron, by probabilities."""
    x = given.bits.double()
    table = torch.as_tensor(TRUTH_TABLE).double()
    for layer, u in enumerate(flat.view(network.depth, network.width, GATES)):
        a, b = (x[wire.long()] for wire in network.wiring(layer))
        cells = torch.stack([(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b], 1)
        x = (torch.softmax(u, -1).unsqueeze(-1) * torch.einsum("kc,ncb->nkb", table, cells)).sum(1)
    scores = x.view(network.classes, -1, x.shape[1]).sum(1).t() / network.group_temperature
    return torch.nn.functional.cross_entropy(scores, given.labels)


def flat_logits(network, temperature):
    return torch.cat([u.flatten() for u in common.scaled_logits(network, temperature)])


def full_hessian(network, given, flat):
    return torch.autograd.functional.hessian(lambda u: mixture_loss(network, given, u), flat)


# --- derivatives


def test_the_soft_loss_is_that_of_the_reference_forward():
    network = make(estimator=Estimator("none", 0.4, False, grad_factor=2.0))
    pixels, labels = make_splits()["test"]
    given = common.examples(network, ENCODER, (pixels, labels))
    scores = network.double().eval()(torch.from_numpy(encode(pixels, ENCODER)), "soft").detach()
    expected = float(torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)))
    assert taylor.loss(network, common.scaled_logits(network, 0.4), given) == pytest.approx(
        expected, rel=1e-12
    )
    assert common.mean_cross_entropy(scores.numpy(), labels) == pytest.approx(expected, rel=1e-12)


def test_derivatives_along_a_line_equal_autograds_and_finite_differences():
    network = make()
    given = make_examples(network)
    u = flat_logits(network, 0.5)
    v = torch.randn(u.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    layers = (network.depth, network.width, GATES)
    found = taylor.loss_along_logits(network, list(u.view(layers)), list(v.view(layers)), given)
    _, product = torch.autograd.functional.hvp(lambda x: mixture_loss(network, given, x), u, v)
    gradient = torch.autograd.functional.jacobian(lambda x: mixture_loss(network, given, x), u)
    assert found == pytest.approx(
        (float(mixture_loss(network, given, u)), float(gradient @ v), float(product @ v)), rel=1e-11
    )
    step = 1e-3
    below, above = (float(mixture_loss(network, given, u + t * v)) for t in (-step, step))
    assert found[1] == pytest.approx((above - below) / (2 * step), rel=1e-4)
    assert found[2] == pytest.approx((above - 2 * found[0] + below) / step**2, rel=1e-4)


def test_blocks_of_images_change_nothing(monkeypatch):
    network = make()
    given = make_examples(network, 20)

    def traces():
        return [
            hessian.trace(network, given, 0.5, name, max_samples=20).mean for name in ("exact", "hutchinson")
        ]

    whole = traces()
    monkeypatch.setattr(taylor, "BLOCK_VALUES", 30)
    monkeypatch.setattr(hessian, "BLOCK_VALUES", 30)
    np.testing.assert_allclose(traces(), whole, rtol=1e-9)


# --- trace of the Hessian


@pytest.mark.parametrize("temperature", [1.0, 0.3, 0.05])
@pytest.mark.parametrize("shape", [dict(), dict(depth=1), dict(classes=5, seed=1), dict(depth=4, seed=8)])
def test_exact_trace_is_that_of_the_full_hessian(shape, temperature):
    network = make(**shape)
    given = common.examples(network, ENCODER, make_splits(7, network.classes)["test"])
    expected = full_hessian(network, given, flat_logits(network, temperature)).trace()
    found = hessian.trace(network, given, temperature, "exact")
    assert found.mean == pytest.approx(float(expected), rel=1e-9)
    assert found[1:] == (0.0, 0)


def test_neurons_that_read_one_input_twice_are_among_those_tested():
    network = make()
    assert any((network.wiring(layer)[0] == network.wiring(layer)[1]).any() for layer in range(1, 3)), (
        "choose another seed for make()"
    )


def test_derivatives_in_the_logits_are_smaller_by_the_temperature_each():
    network, temperature = make(), 0.4
    rows = hessian.run(
        network, make_splits(), ENCODER, split="test", images=7, temperatures=[temperature, 1.0]
    )
    given = common.examples(network, ENCODER, common.choose(make_splits()["test"], 7, 0))
    z = flat_logits(network, 1.0)
    in_logits = torch.autograd.functional.hessian(lambda x: mixture_loss(network, given, x / temperature), z)
    assert rows[0]["trace_in_logits"] == pytest.approx(float(in_logits.trace()), rel=1e-9)
    assert rows[1]["trace_in_logits"] == rows[1]["trace"]


@pytest.mark.parametrize("estimator", ["hutchinson", "per_image"])
def test_estimators_are_unbiased_and_their_standard_errors_honest(estimator):
    network = make(width=6, depth=2)
    given = make_examples(network)
    true = float(full_hessian(network, given, flat_logits(network, 0.5)).trace())
    found = [
        hessian.trace(network, given, 0.5, estimator, relative_error=0.0, max_samples=40, seed=seed)
        for seed in range(80)
    ]
    scores = np.array([(f.mean - true) / f.standard_error for f in found])
    # 80 seeds: a mean of scores has a standard error of 0.11; of t with 39 degrees 5.3% lie beyond 2 standard errors.
    assert abs(scores.mean()) < 0.45
    assert 0.85 < (np.abs(scores) < 2).mean() <= 1


def test_variances_are_those_of_theory_and_per_image_has_the_far_smaller_one():
    network = make(classes=5)
    given = common.examples(network, ENCODER, make_splits(40, 5)["test"])
    matrix = full_hessian(network, given, flat_logits(network, 1.0))
    # Rademacher: var v'Hv is twice the sum of squares off the diagonal.
    expected = float(2 * ((matrix**2).sum() - (matrix.diag() ** 2).sum())) ** 0.5
    plain, ours = (
        hessian.trace(network, given, 1.0, estimator, relative_error=0.0, max_samples=400)
        for estimator in ("hutchinson", "per_image")
    )
    assert plain.standard_error * math.sqrt(400) == pytest.approx(expected, rel=0.2)
    assert ours.standard_error < plain.standard_error / 5


@pytest.mark.parametrize("estimator", ["exact", "per_image", "hutchinson"])
def test_trace_under_noise_is_the_mean_over_draws(estimator):
    network, temperature = make(width=6, depth=2), 0.5
    given = make_examples(network)
    seed = common.probe_seed(0, "hessian_noise")
    drawn = [torch.cat(common.noise_draw(network, "gumbel", seed, n)).flatten() for n in range(20)]
    u = flat_logits(network, temperature)
    expected = [float(full_hessian(network, given, u + g / temperature).trace()) for g in drawn]
    found = hessian.trace(network, given, temperature, estimator, "gumbel", max_samples=20)
    if estimator == "exact":
        assert found.mean == pytest.approx(np.mean(expected), rel=1e-9)
        assert found.standard_error == pytest.approx(np.std(expected, ddof=1) / math.sqrt(20), rel=1e-9)
    else:
        assert abs(found.mean - np.mean(expected)) < 4 * found.standard_error
    assert found.samples == 20


def test_sampling_ends_at_the_first_error_that_is_small_enough():
    values = np.random.default_rng(0).standard_normal(1000) + 5
    for absolute, relative in ((0.1, 0.0), (0.0, 0.02)):
        found = hessian.sample_until(lambda n: values[n], absolute, relative, 1000)
        assert found.standard_error <= 0.1 * 1.1 and 80 <= found.samples <= 130
    assert hessian.sample_until(lambda n: values[n], 0.0, 0.0, 35).samples == 35


def test_saturated_gates_leave_finite_numbers_and_no_denormal_ones():
    network = make(init_scale=300.0)
    given = make_examples(network)
    for estimator in hessian.ESTIMATORS:
        found = hessian.trace(network, given, 0.1, estimator, max_samples=20)
        assert abs(found.mean) < 1e-6 and math.isfinite(found.standard_error)


def test_unknown_names_and_too_wide_networks_are_refused(monkeypatch):
    network = make()
    given = make_examples(network)
    with pytest.raises(LgnError, match="estimator: 'no' is unknown; allowed: exact, per_image, hutchinson"):
        hessian.trace(network, given, 1.0, "no")
    with pytest.raises(LgnError, match="noise: 'no' is unknown; allowed: none, gumbel"):
        hessian.trace(network, given, 1.0, "exact", "no")
    monkeypatch.setattr(curvature, "available_bytes", lambda: 1000)
    with pytest.raises(LgnError, match="estimator: exact needs .* at width 10; allowed: per_image"):
        hessian.trace(network, given, 1.0, "exact")


# --- the lemma

LEMMA = dict(split="test", images=20)


def test_lemma_at_high_temperature_the_error_falls_as_stated_and_to_the_predicted_value():
    rows = lemma.run(make(), make_splits(), ENCODER, **LEMMA, temperatures=[16.0, 32.0, 128.0], draws=2000)
    found = lemma.error_order(rows)
    assert found["points"] == 3
    assert abs(found["order"] - 3) < 0.1 + 3 * found["standard_error"]
    # As u goes to 0 only the Gauss-Newton part of the last layer stays: sum_i L_ii = L'' w^2 S and, w being 1/16,
    # sum_i L_iii = 3 L'' w^2 (1 - 2 w) S. Gumbel's third cumulant is 2 zeta(3). So error / trace term is
    # zeta(3) 10.5 / pi^2 / tau.
    last = rows[-1]
    predicted = 1.2020569 * 10.5 / math.pi**2 / 128
    assert last["error"] / last["trace_term"] == pytest.approx(
        predicted, abs=0.02 * predicted + 4 * last["error_standard_error"] / last["trace_term"]
    )
    assert last["error_standard_error"] < 0.15 * abs(last["error"])


def test_lemma_agrees_with_plain_sampling_and_is_far_more_precise():
    rows = lemma.run(make(), make_splits(), ENCODER, **LEMMA, temperatures=[0.2, 1.0, 8.0], draws=600)
    for row in rows:
        difference = abs(row["noisy_loss"] - row["plain_noisy_loss"])
        assert difference < 4 * math.hypot(row["standard_error"], row["plain_standard_error"])
        difference = abs(row["sampled_trace_term"] - row["trace_term"])
        assert difference < 4 * row["sampled_trace_term_standard_error"]
        assert row["noisy_loss"] == pytest.approx(row["loss"] + row["trace_term"] + row["error"], rel=1e-12)
        # Never much worse, where the expansion says nothing ...
        assert row["standard_error"] < 1.1 * row["plain_standard_error"]
    # ... and by orders of magnitude better where it holds.
    assert rows[-1]["standard_error"] < rows[-1]["plain_standard_error"] / 20


def test_lemmas_factor_is_half_of_gumbels_variance_over_the_square_of_the_temperature():
    draws = torch.cat(common.noise_draw(make(depth=1, width=100_000), "gumbel", 5, 0)).flatten()
    # 1.6 million draws of kurtosis 5.4: the variance is known to 0.17%.
    assert float(draws.var()) == pytest.approx(math.pi**2 / 6, rel=0.006)
    row = lemma.run(make(), make_splits(), ENCODER, **LEMMA, temperatures=[0.5], draws=10)[0]
    trace = full_hessian(
        make(), common.examples(make(), ENCODER, make_splits()["test"]), flat_logits(make(), 0.5)
    ).trace()
    assert row["trace_term"] == pytest.approx(math.pi**2 / (12 * 0.5**2) * float(trace), rel=1e-9)


def test_lemma_standard_errors_are_honest():
    settings = LEMMA | dict(temperatures=[1.0, 8.0], estimator="exact")
    network, splits = make(width=6, depth=2), make_splits()
    found = [lemma.run(network, splits, ENCODER, **settings, draws=50, seed=seed) for seed in range(40)]
    for place in (0, 1):
        errors = np.array([rows[place]["error"] for rows in found])
        claimed = np.array([rows[place]["error_standard_error"] for rows in found])
        assert 0.65 < errors.std(ddof=1) / claimed.mean() < 1.5


def test_lemma_takes_an_estimated_trace_into_its_standard_error():
    settings = LEMMA | dict(temperatures=[2.0], draws=200)
    exact, estimated = (
        lemma.run(make(), make_splits(), ENCODER, **settings, estimator=name)[0]
        for name in ("exact", "per_image")
    )
    assert estimated["trace_standard_error"] > 0 == exact["trace_standard_error"]
    assert estimated["standard_error"] > exact["standard_error"]
    assert abs(estimated["trace"] - exact["trace"]) < 4 * estimated["trace_standard_error"]
    assert abs(estimated["noisy_loss"] - exact["noisy_loss"]) < 4 * estimated["standard_error"]


def test_how_far_an_error_of_the_trace_moves_that_of_the_lemma():
    values, slopes, quadratics = np.random.default_rng(0).standard_normal((3, 50))
    values = values + slopes - 0.7 * quadratics
    mean, _, weight = lemma._regress(values, slopes, quadratics)
    moved, _, _ = lemma._regress(values, slopes, quadratics - 0.01)
    assert moved - mean == pytest.approx(0.01 * weight, rel=1e-6)
    assert weight == pytest.approx(-0.7, abs=0.5)


def test_order_of_a_power_law_is_its_exponent_and_unresolved_errors_have_no_say():
    rows = [
        {"temperature": t, "error": -0.3 * t**-3.5, "error_standard_error": 0.01 * t**-3.5}
        for t in (1.0, 2.0, 4.0)
    ]
    noise = {"temperature": 8.0, "error": 1.0, "error_standard_error": 0.5}
    found = lemma.error_order([*rows, noise])
    assert found["order"] == pytest.approx(3.5)
    assert (found["points"], found["lowest_temperature"], found["highest_temperature"]) == (3, 1.0, 4.0)
    with pytest.raises(LgnError, match="resolved at 1 of them; 2 are needed"):
        lemma.error_order([rows[0], noise])
    with pytest.raises(LgnError, match="draws: 9 are too few"):
        lemma.run(make(), make_splits(), ENCODER, **LEMMA, temperatures=[1.0], draws=9)


# --- surface

SURFACE = dict(split="test", images=100)


def engine_accuracies(network, splits, split="test"):
    engine = make_engine(common.copy_network(network), ENCODER, OptimizerSettings(0.0), "torch", "cpu")
    pixels, labels = splits[split]
    return [
        accuracy(mode_scores(engine, network.estimator, pixels, mode), labels)
        for mode in ("soft", "discrete")
    ]


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_the_plane_is_the_networks_loss_at_moved_logits(backend):
    network = make(width=40, estimator=Estimator("gumbel", 0.3, True))
    splits = make_splits(100)
    rows = surface.run_plane(
        network,
        splits,
        ENCODER,
        **SURFACE,
        extent=1.5,
        points=3,
        execution=Execution(backend=backend, device="cpu"),
    )
    assert [(row["x"], row["y"]) for row in rows[:4]] == [(-1.5, -1.5), (0, -1.5), (1.5, -1.5), (-1.5, 0)]
    first, second = surface.random_directions(
        common.scaled_logits(network, 0.3), common.probe_seed(0, "surface")
    )
    for row in rows:
        moved = common.copy_network(network)
        shift = [0.3 * (row["x"] * a + row["y"] * b) for a, b in zip(first, second, strict=True)]
        common.set_logits(moved, [z.detach() + d for z, d in zip(network.logits, shift, strict=True)])
        given = common.examples(moved, ENCODER, splits["test"])
        expected = float(mixture_loss(moved, given, flat_logits(moved, 0.3)))
        assert row["loss"] == pytest.approx(expected, rel=1e-5)
        assert [row["soft_accuracy"], row["discrete_accuracy"]] == engine_accuracies(moved, splits)


def test_directions_are_orthogonal_and_as_long_as_what_softmax_sees_of_a_neuron():
    logits = common.scaled_logits(make(width=40), 0.5)
    first, second = surface.random_directions(logits, 7)
    for z, a, b in zip(logits, first, second, strict=True):
        length = z.numpy().std(axis=1) * 4
        np.testing.assert_allclose(np.linalg.norm(a.numpy(), axis=1), length, rtol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(b.numpy(), axis=1), length, rtol=1e-12)
        assert (a * b).sum(-1).abs().max() < 1e-12 * length.max() ** 2
        assert a.sum(-1).abs().max() < 1e-12 * length.max()


def test_the_same_function_has_the_same_surface_whatever_its_temperature():
    splits = make_splits(100)
    network = make(width=40, estimator=Estimator("none", 1.0, False))
    scaled = common.copy_network(network, temperature=0.25)
    common.set_logits(scaled, [logits.detach() * 0.25 for logits in network.logits])
    settings = SURFACE | dict(extent=1.0, points=3)
    rows = [surface.run_plane(n, splits, ENCODER, **settings) for n in (network, scaled)]
    assert rows[0] == rows[1]


def test_a_line_joins_two_networks_as_they_were_trained():
    splits = make_splits(100)
    soft = make(width=40, estimator=Estimator("none", 1.0, False))
    hard = make(width=40, estimator=Estimator("gumbel", 0.1, True))
    common.set_logits(hard, [logits.detach().flip(-1) for logits in hard.logits])
    rows = surface.run_line(soft, hard, splits, ENCODER, **SURFACE, points=5, margin=0.5)
    assert [row["position"] for row in rows] == [-0.5, 0.0, 0.5, 1.0, 1.5]
    for row, network in ((rows[1], soft), (rows[3], hard)):
        assert [row["soft_accuracy"], row["discrete_accuracy"]] == engine_accuracies(network, splits)
        given = common.examples(network, ENCODER, splits["test"])
        u = flat_logits(network, network.estimator.temperature)
        assert row["loss"] == pytest.approx(float(mixture_loss(network, given, u)), rel=1e-5)
    with pytest.raises(LgnError, match="wiring: a line joins logits of one wiring only"):
        surface.run_line(soft, make(width=40, seed=4), splits, ENCODER, **SURFACE, points=3)


# --- perturbation


def test_perturbed_accuracies_begin_at_the_networks_own_and_noise_is_stretched():
    splits = make_splits(100)
    network = make(width=40, estimator=Estimator("gumbel", 0.3, True))
    rows = perturbation.run_noise(network, splits, ENCODER, **SURFACE, scales=[0.0, 0.5, 1000.0], draws=3)
    assert [(row["draw"], row["scale"]) for row in rows] == list(
        itertools.product(range(3), (0.0, 0.5, 1000.0))
    )
    for row in rows[::3]:
        assert [row["soft_accuracy"], row["discrete_accuracy"]] == engine_accuracies(network, splits)
        assert row["gate_change_share"] == 0
    # Gates that are all noise agree with the ones before by chance alone: 120 neurons, 15 of 16 change.
    assert all(row["gate_change_share"] > 0.85 for row in rows[2::3])
    assert all(0 < row["gate_change_share"] < 0.8 for row in rows[1::3])
    assert rows[1] != rows[4]


def multilinear(k, a, b):
    """A gate on reals as an expectation over independent bits with probabilities a and b."""
    return sum(
        TRUTH_TABLE[k, 2 * x + y] * (a if x else 1 - a) * (b if y else 1 - b)
        for x, y in itertools.product((0, 1), repeat=2)
    )


def test_layers_discretised_one_by_one_equal_a_loop_over_gates():
    splits = make_splits(20)
    network = make(estimator=Estimator("none", 0.5, False))
    rows = perturbation.run_layers(network, splits, ENCODER, **SURFACE)
    assert [(row["discretised"], row["layers"]) for row in rows] == list(
        itertools.product(("first", "last"), range(4))
    )
    pixels, labels = splits["test"]
    soft = torch.softmax(flat_logits(network, 0.5).view(3, 10, 16), -1).tolist()
    for row in rows:
        hard = range(row["layers"]) if row["discretised"] == "first" else range(3 - row["layers"], 3)
        scores = []
        for image in encode(pixels, ENCODER):
            x = [float(bit) for bit in image]
            for layer in range(3):
                first, second = network.wiring(layer).tolist()
                out = []
                for n, weights in enumerate(soft[layer]):
                    a, b = x[first[n]], x[second[n]]
                    if layer in hard:
                        out.append(multilinear(int(np.argmax(weights)), a, b))
                    else:
                        out.append(sum(w * multilinear(k, a, b) for k, w in enumerate(weights)))
                x = out
            scores.append([sum(x[:5]) / 1.3, sum(x[5:]) / 1.3])
        scores = torch.tensor(scores, dtype=torch.float64)
        expected = float(torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)))
        assert row["loss"] == pytest.approx(expected, rel=1e-9)
    for ends, expected in zip(((0, 4), (3, 7)), engine_accuracies(network, splits), strict=True):
        assert [rows[place]["accuracy"] for place in ends] == [expected] * 2


# --- gates by class


def test_gates_by_class_equal_a_loop_over_neurons_and_images(monkeypatch):
    monkeypatch.setattr(class_gates, "BLOCK_BYTES", 100)
    network = make(classes=5)
    pixels, labels = make_splits(30, 5)["test"]
    labels[labels == 3] = 4
    expected = {}
    for image, label in zip(encode(pixels, ENCODER), labels, strict=True):
        x = image.astype(int)
        for layer in range(3):
            first, second = network.wiring(layer).tolist()
            gates = network.logits[layer].argmax(-1).tolist()
            x = [TRUTH_TABLE[k, 2 * x[i] + x[j]] for k, i, j in zip(gates, first, second, strict=True)]
            for k, value in zip(gates, x, strict=True):
                place = layer + 1, int(label), NAMES[k]
                expected[place] = expected.get(place, 0) + value / (labels == label).sum()
    rows = class_gates.run(network, {"test": (pixels, labels)}, ENCODER, split="test")
    assert {row["class"] for row in rows} == {0, 1, 2, 4}
    assert len(rows) == 3 * 4 * 16
    for row in rows:
        place = row["layer"], row["class"], row["gate"]
        assert row["weight"] == pytest.approx(expected.get(place, 0), abs=1e-6)
        gates = network.logits[row["layer"] - 1].argmax(-1)
        assert row["neurons"] == int((gates == NAMES.index(row["gate"])).sum())


# --- all of them


def run_everything(network, splits, seed=0):
    settings = dict(split="test", images=20, seed=seed)
    other = common.copy_network(network)
    traces = [
        hessian.run(
            network,
            splits,
            ENCODER,
            **settings,
            temperatures=[0.5],
            estimator=name,
            noise=noise,
            max_samples=5,
        )
        for name in hessian.ESTIMATORS
        for noise in ("none", "gumbel")
    ]
    return [
        *traces,
        lemma.run(network, splits, ENCODER, **settings, temperatures=[0.5], draws=10),
        surface.run_plane(network, splits, ENCODER, **settings, extent=1.0, points=2),
        surface.run_line(network, other, splits, ENCODER, **settings, points=2),
        perturbation.run_noise(network, splits, ENCODER, **settings, scales=[0.5], draws=2),
        perturbation.run_layers(network, splits, ENCODER, **settings),
        class_gates.run(network, splits, ENCODER, split="test"),
    ]


@pytest.mark.parametrize("accelerated", [False, True])
def test_no_probe_changes_the_network_or_draws_from_anyone_elses_stream(accelerated):
    network = make(estimator=Estimator("gumbel", 0.5, True)).train()
    splits = make_splits(30)
    if accelerated:
        accelerate(network, "numba")
    network.iteration += 5
    places = [logits.data_ptr() for logits in network.logits]
    compute = network.compute
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    first = run_everything(network, splits)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert [logits.data_ptr() for logits in network.logits] == places
    assert network.training and network.compute is compute
    assert all(logits.grad is None and logits.requires_grad for logits in network.logits)
    assert run_everything(network, splits) == first
    assert run_everything(network, splits, seed=1)[2:-2] != first[2:-2]


def test_rows_are_flat_and_plain():
    for rows in run_everything(make(), make_splits(30)):
        assert all(type(value) in (int, float, str) for row in rows for value in row.values())
        assert len({tuple(row) for row in rows}) == 1


def test_the_subset_is_fixed_by_the_seed_and_within_the_split():
    split = make_splits(50)["test"]
    images, labels = common.choose(split, 20, 0)
    again, _ = common.choose(split, 20, 0)
    other, _ = common.choose(split, 20, 1)
    assert len(labels) == len(images) == 20
    assert (images == again).all() and not (images == other).all()
    assert (common.choose(split, 99, 0)[0] == split[0]).all()


def test_a_copy_keeps_the_estimator_but_for_the_temperature():
    network = make(estimator=Estimator("gumbel", 0.5, True, grad_factor=2.0))
    copied = common.copy_network(network, temperature=0.1)
    assert copied.estimator == dataclasses.replace(network.estimator, temperature=0.1)
    assert network.estimator.temperature == 0.5


@pytest.mark.long
def test_at_the_size_of_the_default_preset_the_estimators_agree():
    train, _ = read_digits()
    encoder = thresholds(DATASETS["digits"], 8, "uniform", train.images)
    network = make(depth=12, width=500, classes=10, inputs=encoder.size, group_temperature=5.0)
    given = common.examples(network, encoder, common.choose(train, 300, 0))
    true = hessian.trace(network, given, 1.0, "exact").mean
    for estimator in ("per_image", "hutchinson"):
        found = hessian.trace(network, given, 1.0, estimator, relative_error=0.05, max_samples=400)
        assert abs(found.mean - true) < 4 * found.standard_error
