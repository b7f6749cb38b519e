"""Arrays for networks, engines and the discrete network: exact casts are accepted, others refused in one line."""

import numpy as np
import pytest
import torch

from lgn.arrays import as_bytes, as_labels, exact_bits, require_bits
from lgn.data.encoding import encode
from lgn.errors import LgnError
from lgn.inference import DiscreteNetwork
from lgn.kernels import make_engine
from lgn.methods import MODES, Estimator, OptimizerSettings
from lgn.network import LogicNetwork

COLUMNS = 20  # Beyond the 16 that kernels take at once.
LEVELS = np.repeat(np.array([[60], [128], [200]], np.uint8), COLUMNS, axis=1)
PATHS = [Estimator("gumbel", 0.5, True), Estimator("gumbel", 0.5, False)]
BACKENDS = ["torch", "numba", "triton"]


def network(estimator=PATHS[0], inputs=LEVELS.size):
    return LogicNetwork(
        inputs=inputs, classes=10, depth=2, width=30, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=2.0, estimator=estimator, seed=0,
    )  # fmt: skip


def engine(backend, estimator=PATHS[0], optimizer="adam"):
    if backend == "triton":
        pytest.importorskip("triton")
    return make_engine(network(estimator), LEVELS, OptimizerSettings(0.01, optimizer), backend, "cpu")


def images(count=40):
    return np.random.default_rng(0).integers(0, 256, (count, COLUMNS), dtype=np.uint8)


def one_line(pattern):
    return pytest.raises(LgnError, match=rf"^{pattern}[^\n]*; allowed: [^\n]*$")


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16, np.float64, np.float32])
def test_whole_numbers_of_any_dtype_are_the_images_they_say(dtype):
    pixels, discrete = images(), DiscreteNetwork(network(), LEVELS)
    assert (discrete.predict(pixels.astype(dtype)) == discrete.predict(pixels)).all()
    assert (discrete.pack(pixels.astype(dtype)) == discrete.pack(pixels)).all()
    assert (encode(pixels.astype(dtype), LEVELS) == encode(pixels, LEVELS)).all()
    for backend in ("torch", "numba"):
        ours = engine(backend)
        assert (ours.scores(pixels.astype(dtype), "discrete") == ours.scores(pixels, "discrete")).all()


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize(
    "value",
    [0.5, np.nan, np.inf, -1, 256, 2**40, True, 1j],
)
def test_bytes_that_would_not_be_the_number_are_refused(kind, value):
    with one_line("images: "):
        as_bytes(kind(np.array([[3, value]]) if value is not True else np.array([[True]])), "images")


@pytest.mark.parametrize("columns", [COLUMNS - 1, COLUMNS + 1, 10 * COLUMNS])
@pytest.mark.parametrize("count", [0, 40])
def test_images_of_other_columns_are_refused(columns, count):
    pixels, labels = np.zeros((count, columns), np.uint8), np.zeros(count, np.int64)
    discrete = DiscreteNetwork(network(), LEVELS)
    calls = [discrete.predict, discrete.pack, lambda x: encode(x, LEVELS)]
    for ours in (engine("torch"), engine("numba"), engine("numba", optimizer="sgd"), engine("triton")):
        calls += [lambda x, e=ours: e.scores(x, "soft"), lambda x, e=ours: e.step(x, labels)]
    for call in calls:
        with one_line("(pixels|images): (shape|0 images)"):
            call(pixels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(39, np.int64), "labels: shape"),
        (np.zeros(400, np.int64), "labels: shape"),
        (np.zeros((40, 1), np.int64), "labels: shape"),
        (np.full(40, 0.5), "labels: 0.5"),
        (np.full(40, np.nan), "labels: nan"),
        (np.zeros(40, bool), "labels: bool"),
        (np.full(40, 10), "labels: 10"),
        (np.full(40, -100), "labels: -100"),  # Torch's own "no label".
        (torch.full((40,), -1), "labels: -1"),
    ],
)
def test_labels_that_name_no_class_are_refused(labels, message):
    with one_line(message):
        as_labels(labels, 40, 10)
    assert as_labels(np.full(40, 9.0), 40, 10).tolist() == [9] * 40


@pytest.mark.parametrize(("backend", "optimizer"), [(name, "adam") for name in BACKENDS] + [("numba", "sgd")])
def test_every_engine_looks_at_its_labels_and_trains_on_nothing_it_refuses(backend, optimizer):
    ours = engine(backend, optimizer=optimizer)
    before = [logits.detach().clone() for logits in ours.network.logits]
    for labels in (np.zeros(400, np.int64), np.full(40, -1)):
        with one_line("labels: "):
            ours.step(images(), labels)
    with one_line("pixels: 0 images"):
        ours.step(images(0), np.zeros(0, np.int64))
    assert all(torch.equal(one, other) for one, other in zip(before, ours.network.logits, strict=True))
    assert int(ours.network.iteration) == 0 and ours.take_losses() == (0.0, 0)


@pytest.mark.parametrize("estimator", PATHS, ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_engine_scores_no_images_and_no_unknown_mode(backend, estimator):
    ours = engine(backend, estimator)
    for mode in MODES:
        assert ours.scores(images(0), mode).shape == (0, 10)
    with one_line("mode: 'discret'"):
        ours.scores(images(), "discret")


def test_the_discrete_network_takes_no_images_and_no_bits_of_other_shapes():
    discrete = DiscreteNetwork(network(), LEVELS)
    assert discrete.predict(images(0)).shape == (0,)
    bits = discrete.pack(images(0))
    assert discrete.class_counts(bits).shape == (10, 0)
    bits = discrete.pack(images())
    assert (discrete.class_counts(np.asfortranarray(bits)) == discrete.class_counts(bits)).all()
    for wrong in (bits[:-1], bits[:, :-1], bits.astype(np.int64), bits[0]):
        with one_line("bits: "):
            discrete.class_counts(wrong)


@pytest.mark.parametrize("thresholds", [LEVELS[:2], LEVELS[0], np.tile(LEVELS, (2, 1)), LEVELS - 0.5])
@pytest.mark.parametrize("make", [DiscreteNetwork, *BACKENDS])
def test_thresholds_are_one_byte_an_input(make, thresholds):
    if make == "triton":
        pytest.importorskip("triton")
    with one_line("thresholds: "):
        if isinstance(make, str):
            make_engine(network(), thresholds, OptimizerSettings(0.01), make, "cpu")
        else:
            make(network(), thresholds)


@pytest.mark.parametrize("wrong", [-1, LEVELS.size])
@pytest.mark.parametrize("make", [DiscreteNetwork, "numba", "triton"])
def test_a_wiring_that_reads_what_is_not_there_is_refused(make, wrong):
    """For example from the state_dict of a network with more inputs, whose wiring has the same shape."""
    net = network()
    net.wiring(0)[1, 3] = wrong
    if make == "triton":
        pytest.importorskip("triton")
    with one_line("wiring_0: reads inputs"):
        if isinstance(make, str):
            make_engine(net, LEVELS, OptimizerSettings(0.01), make, "cpu")
        else:
            make(net, LEVELS)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64])
def test_bits_may_have_any_dtype(dtype):
    bits = torch.from_numpy(encode(images(), LEVELS))
    require_bits(bits.to(dtype), LEVELS.size)
    assert torch.equal(exact_bits(bits.to(dtype)), bits.to(torch.uint8))


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(5, 59),
        torch.zeros(5, 61),
        torch.zeros(60),
        torch.full((5, 60), -1.0),
        torch.full((5, 60), 2),
        torch.tensor([[0.0] * 59 + [torch.nan]]),
        torch.zeros(5, 60, dtype=torch.complex64),
    ],
    ids=lambda x: f"{tuple(x.shape)} {x.dtype}",
)
@pytest.mark.parametrize("training", [False, True])
def test_a_network_refuses_what_are_no_bits_and_takes_no_step_on_them(wrong, training):
    net = network().train(training)
    with one_line("bits: "):
        net(wrong)
    assert int(net.iteration) == 0


def test_reals_are_chances_and_no_images_have_no_scores():
    net = network(PATHS[1]).eval()
    half = net(torch.full((1, 60), 0.5), "discrete")
    assert half.shape == (1, 10) and not torch.equal(half, net(torch.zeros(1, 60), "discrete"))
    assert net(torch.zeros(0, 60)).shape == (0, 10)
    net.train()(torch.zeros(0, 60)).sum().backward()
    assert all(logits.grad.eq(0).all() for logits in net.logits)
    with one_line("mode: 'discret'"):
        net(torch.zeros(5, 60), "discret")
