"""Adam's epsilon in every backend, down to 1e-30 at depth 48, and the recorded gradient sizes."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from training_process import SETTINGS

from lgn.errors import LgnError
from lgn.evaluate import accuracy_columns
from lgn.kernels import make_engine
from lgn.kernels.optimizers import AdamInside
from lgn.methods import BETA_1, BETA_2, Estimator, OptimizerSettings
from lgn.metrics import gradient_columns
from lgn.network import LogicNetwork
from lgn.run import Execution, parse_run
from lgn.train import train

PIXELS, LEVELS = 12, np.repeat(np.array([[60], [128], [200]], np.uint8), 12, axis=1)
DLGN, GLGN = Estimator("none", 1.0, False), Estimator("gumbel", 0.5, True)
NUMBA = Execution(backend="numba", device="cpu")


def network(estimator, depth=3, width=30):
    return LogicNetwork(
        inputs=LEVELS.size, classes=10, depth=depth, width=width, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=2.0, estimator=estimator, seed=0,
    )  # fmt: skip


def engine(backend, estimator, optimizer, **shape):
    if backend == "triton":
        pytest.importorskip("triton")
    device = "cuda" if backend == "triton" and torch.cuda.is_available() else "cpu"
    return make_engine(network(estimator, **shape), LEVELS, optimizer, backend, device)


def layers(backend):
    """Triton's interpreter takes a second per layer."""
    return 4 if backend == "triton" else 12


def images(seed=0, count=40):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, PIXELS), dtype=np.uint8), generator.integers(0, 10, count)


def float64_gradients(exact, pixels, labels):
    """Gradients of the reference network in float64, whose range 24 or 48 layers do not leave."""
    scores = exact.train()(torch.from_numpy((pixels[:, None, :] > LEVELS).reshape(len(pixels), -1)))
    loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels))
    return torch.autograd.grad(loss, list(exact.logits))


@pytest.mark.parametrize("depth", [24, 48])
@pytest.mark.parametrize("estimator", [DLGN, GLGN], ids=["dlgn", "glgn"])
@pytest.mark.parametrize("backend", ["torch", "numba", "triton"])
def test_deep_gradients_equal_float64_autograd_layer_by_layer(backend, estimator, depth):
    if (backend, depth) == ("triton", 48):
        pytest.skip("24 layers say it of Triton: under its interpreter 48 take half a minute")
    settings = OptimizerSettings(0.01, epsilon=1e-30)
    trained = engine(backend, estimator, settings, depth=depth)
    trained.step(*images())
    moments = trained.optimizer_state()
    exact = float64_gradients(network(estimator, depth).double(), *images())
    for layer, theirs in enumerate(exact):
        ours = moments[f"adam_m.{layer}"].double() / (1 - BETA_1) / settings.gradient_scale
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()
    if (
        estimator is DLGN
    ):  # What makes this a test: float32 has no such squares, or at depth 48 no such numbers.
        assert exact[0].abs().max() < (1e-12 if depth == 24 else 1e-25)


@pytest.mark.parametrize("epsilon", [1e-2, 1e-8, 1e-20, 1e-30])
@pytest.mark.parametrize("backend", ["torch", "numba", "triton"])
def test_a_step_is_adams_at_any_epsilon(backend, epsilon):
    """Three steps against Adam written out in float64 on float64's gradients."""
    trained = engine(backend, DLGN, OptimizerSettings(0.01, epsilon=epsilon), depth=layers(backend))
    exact = network(DLGN, layers(backend)).double()
    moments, squares = ([torch.zeros_like(z) for z in exact.logits] for _ in range(2))
    for step in range(1, 4):
        gradients = float64_gradients(exact, *images(step))
        trained.step(*images(step))
        for z, m, v, g in zip(exact.logits, moments, squares, gradients, strict=True):
            m.lerp_(g, 1 - BETA_1)
            v.lerp_(g * g, 1 - BETA_2)
            root = (v / (1 - BETA_2**step)).sqrt() + epsilon
            z.data -= 0.01 * m / (1 - BETA_1**step) / root
    for ours, theirs in zip(trained.network.logits, exact.logits, strict=True):
        # The sign of a gradient near 0 is rounding's, and so is its step: a few in a thousand.
        assert ((ours.cpu() - theirs).abs() < 1e-4).double().mean() > 0.99


@pytest.mark.parametrize("backend", ["torch", "numba", "triton"])
def test_a_loss_times_a_power_of_two_is_an_epsilon_divided_by_it(backend):
    """Byte for byte: Adam is invariant, and a power of two changes only exponents."""
    runs = [OptimizerSettings(0.01, epsilon=1e-8 / 2**20), OptimizerSettings(0.01, loss_scale=2.0**20)]
    engines = [engine(backend, DLGN, settings, depth=layers(backend)) for settings in runs]
    for step in range(3):
        for trained in engines:
            trained.step(*images(step))
    first, second = (trained.network.logits for trained in engines)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0].cpu(), network(DLGN, layers(backend)).logits[0])
    assert engines[0].take_losses() == engines[1].take_losses()


def test_default_epsilon_is_torchs_and_scales_nothing():
    settings = OptimizerSettings(0.01)
    assert settings.epsilon == torch.optim.Adam([torch.zeros(1)]).defaults["eps"]
    assert (settings.gradient_scale, settings.scaled_epsilon) == (1.0, 1e-8)
    run = parse_run(SETTINGS)
    assert parse_run(SETTINGS | dict(epsilon=1e-8, loss_scale=1.0)).hash == run.hash
    assert parse_run(SETTINGS | dict(epsilon=1e-9)).hash != run.hash


@pytest.mark.parametrize("epsilon", [1e-15, 1e-16, 3e-20, 1e-30])
def test_inner_scale_is_a_power_of_two_that_keeps_squares_normal(epsilon):
    scale = OptimizerSettings(0.01, epsilon=epsilon).inner_scale
    assert math.log2(scale).is_integer() and scale >= 1
    # A first step's second moment of a gradient as small as epsilon / 10, and of one as large as any: 100.
    assert (1 - BETA_2) * (epsilon / 10 * scale) ** 2 > np.finfo(np.float32).tiny
    assert (100 * scale) ** 2 < np.finfo(np.float32).max


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_epsilon_inside_the_root(backend):
    """Two steps from known gradients: with a gradient far below epsilon, both forms are SGD at rate / epsilon."""
    z = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    adam = AdamInside([z], lr=0.5, eps=3.0)
    z.grad = torch.tensor([4.0, 0.0], dtype=torch.float64)
    adam.step()
    assert z.tolist() == pytest.approx([-0.5 * 4 / 5, 0.0])  # The root of 16 + 9.
    trained = engine(backend, DLGN, OptimizerSettings(0.01, "adam_inside", epsilon=1.0))
    plain = engine(backend, DLGN, OptimizerSettings(0.01, "sgd"))
    start = network(DLGN).logits[0]
    for one in (trained, plain):
        one.step(*images())
    moved, descended = ((one.network.logits[0] - start).detach() for one in (trained, plain))
    torch.testing.assert_close(moved, descended, rtol=1e-2, atol=1e-9)
    assert trained.optimizer_state().keys() == {f"adam_{x}.{n}" for x in "mv" for n in range(3)}


def test_gradient_columns_by_hand():
    """Two steps, two layers of two logits: moments of known gradients 3e-9 and 4e-9, 0 and 2e-8."""
    correction = 1 - BETA_2**2
    squares = [np.array([[9e-18, 16e-18]]) * correction, np.array([[0.0, 4e-16]]) * correction]
    columns = gradient_columns(squares, 2, OptimizerSettings(0.01), depth=2)
    assert columns["gradient_rms_layer01"] == pytest.approx(math.sqrt((9 + 16) / 2) * 1e-9, rel=1e-3)
    assert columns["gradient_rms_layer02"] == pytest.approx(math.sqrt(4 / 2) * 1e-8, rel=1e-3)
    assert columns["below_epsilon_share_layer01"] == 1.0
    assert columns["below_epsilon_share_layer02"] == 0.5
    for nothing in (gradient_columns(squares, 0, OptimizerSettings(0.01), 2),
                    gradient_columns([], 5, OptimizerSettings(0.01, "sgd"), 2)):  # fmt: skip
        assert nothing.keys() == columns.keys() and all(map(math.isnan, nothing.values()))


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_history_has_the_gradients_of_every_layer(tmp_path, backend):
    """At the first step they are those of the first batch, whatever scale the kernels use inside."""
    rows = {}
    for epsilon in (1e-8, 1e-30):
        run = parse_run(SETTINGS | dict(epsilon=epsilon, iterations=20, evaluations=6))
        train(run, tmp_path / f"{epsilon}", tmp_path, Execution(backend=backend, device="cpu"))
        rows[epsilon] = pd.read_csv(tmp_path / f"{epsilon}" / "history.csv").set_index("iteration")
    names = [name for name in rows[1e-8] if name.startswith(("gradient_rms", "below_epsilon_share"))]
    assert len(names) == 2 * run.depth
    assert rows[1e-8].loc[0, names].isna().all() and rows[1e-8].loc[1:, names].notna().all(axis=None)
    sizes = [name for name in names if name.startswith("gradient_rms")]
    np.testing.assert_allclose(rows[1e-8].loc[1, sizes], rows[1e-30].loc[1, sizes], rtol=1e-3)
    assert (rows[1e-8].loc[1, sizes] > 0).all()


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_gradients_whose_squares_overflow_are_a_divergence(tmp_path, backend):
    """Adam's steps are 0 then: loss and logits stay finite, and the net would only seem not to learn."""
    run = parse_run(SETTINGS | dict(epsilon=1e-30, loss_scale=1e12, iterations=20, evaluations=6))
    record = train(run, tmp_path / "run", tmp_path, Execution(backend=backend, device="cpu"))
    assert record["status"] == "diverged"
    assert record["final"]["iteration"] == 1
    assert math.isfinite(record["final"]["loss"])


def test_plain_descent_has_no_epsilon():
    with pytest.raises(LgnError, match="epsilon: 1e-10 with optimizer sgd, which has none"):
        parse_run(SETTINGS | dict(optimizer="sgd", epsilon=1e-10))
    with pytest.raises(LgnError, match="epsilon: 1e-31 is not allowed; allowed: 1e-30 to 1"):
        parse_run(SETTINGS | dict(epsilon=1e-31))


@pytest.mark.parametrize(
    ("estimator", "computed"), [(DLGN, 2), (Estimator("none", 1.0, True), 2), (GLGN, 10)]
)
def test_modes_of_the_same_numbers_are_computed_once(estimator, computed):
    """Without noise training computes what soft (DLGN) or discrete mode (Hard-ST) does; with it in eight draws."""
    calls = []

    class Counting:
        def scores(self, pixels, mode, draw=0):
            calls.append(mode)
            return np.eye(10, dtype=np.float32)[np.zeros(len(pixels), int)]

    row = accuracy_columns(Counting(), estimator, {"test": images()})
    assert len(calls) == computed
    assert len(row) == 5


def test_only_the_last_row_measures_every_test_image(tmp_path):
    shared = SETTINGS | dict(iterations=20, evaluations=6)
    for count in (7, None):
        train(parse_run(shared | dict(test_evaluation_images=count)), tmp_path / f"{count}", tmp_path, NUMBA)
    few, all_ = (pd.read_csv(tmp_path / f"{count}" / "history.csv") for count in (7, None))
    shares = few["test_accuracy_discrete"] * 7
    np.testing.assert_allclose(shares[:-1], shares[:-1].round(), atol=1e-5)
    assert few["test_accuracy_discrete"].iloc[-1] == all_["test_accuracy_discrete"].iloc[-1]
    assert (few["loss"].iloc[1:] == all_["loss"].iloc[1:]).all()
