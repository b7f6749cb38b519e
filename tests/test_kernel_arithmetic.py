"""The numba kernels' arithmetic: elementary functions, noise, extreme values, padding, cached compiled code."""

import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from losses import mean_loss

from lgn import noise, randomness
from lgn.gates import COEFFICIENTS
from lgn.kernels import make_engine
from lgn.kernels.cpu.lanes import inlined
from lgn.kernels.cpu.memory import load, store, store_totals
from lgn.kernels.cpu.neuron import (
    NOISE_CODES,
    exp,
    log,
    loss_and_gradient,
    noise_of,
    softmax,
    uniforms,
    update_neurons,
)
from lgn.methods import Estimator, OptimizerSettings
from lgn.network import LogicNetwork

LEVELS = np.repeat(np.array([[60], [128], [200]], np.uint8), 12, axis=1)


def engine(estimator, backend="numba", width=30, depth=3, **overrides):
    keys = dict(
        inputs=LEVELS.size, classes=10, depth=depth, width=width, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=2.0, estimator=estimator, seed=0,
    )  # fmt: skip
    return make_engine(LogicNetwork(**keys | overrides), LEVELS, OptimizerSettings(0.01), backend, "cpu")


def images(count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 12), dtype=np.uint8), generator.integers(0, 10, count)


@inlined
def lanes_log(x, y):
    for i in range(0, x.size, 16):
        store(y, i, log(load(x, i)))


@inlined
def lanes_exp(x, y):
    for i in range(0, x.size, 16):
        store(y, i, exp(load(x, i)))


@inlined
def lanes_noise(code, key, u, g):
    for neuron in range(u.shape[0]):
        row = uniforms(neuron, key)
        store(u, 16 * neuron, row)
        store(g, 16 * neuron, noise_of(code, row))


@inlined
def lanes_totals(x, y):
    store_totals(y, 0, load(x, 0), load(x, 16), load(x, 32), load(x, 48))


@inlined
def one_softmax(row, inverse_temperature):
    return softmax(row, 0, inverse_temperature)


@pytest.mark.parametrize("name", [name for name in NOISE_CODES if name != "none"])
def test_noise_is_the_references(name):
    """Uniforms bit for bit; the noise as near the float64 value as float32 lets torch be, up to a few roundings."""
    key = randomness.layer_key(12345, 678, 3)
    u, g = np.empty((2**14, 16), np.float32), np.empty((2**14, 16), np.float32)
    lanes_noise(NOISE_CODES[name], np.uint64(key[0] | key[1] << 32), u, g)
    expected = noise.uniforms(key, 2**14)
    assert (u == expected.numpy()).all()
    exact = noise.NOISES[name](expected.double()).numpy()
    assert np.abs(g - exact).max() < 2e-6
    if name == "gaussian":
        assert np.abs(g / exact - 1).max() < 1e-6


def test_totals_add_each_vector_by_itself():
    """Powers of two add without rounding, in any order."""
    x = (2.0 ** np.arange(16) * np.array([[1.0], [3.0], [-5.0], [0.0]])).astype(np.float32)
    y = np.empty(4, np.float32)
    lanes_totals(x, y)
    assert y.tolist() == [65535.0, 196605.0, -327675.0, 0.0]


@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_softmax_of_logits_up_to_100(temperature):
    row = np.zeros(64, np.float32)
    logits = np.random.default_rng(0).uniform(-100, 100, 16).astype(np.float32)
    row[48:] = logits
    assert one_softmax(row, np.float32(1 / temperature)) == logits.argmax()
    exact = torch.softmax(torch.from_numpy(logits).double() / temperature, -1).numpy()
    np.testing.assert_allclose(row[48:], exact, rtol=2e-5, atol=1e-37)


def test_softmax_takes_the_first_of_equals_and_keeps_nan():
    row = np.zeros(64, np.float32)
    assert one_softmax(row, np.float32(1)) == 0
    assert (row[48:] == 1 / 16).all()
    row[48:] = np.nan
    assert one_softmax(row, np.float32(1)) == 0
    assert np.isnan(row[48:]).all()


@pytest.mark.parametrize("epsilon", [1e-8, 0.1, 3.0])
def test_adam_is_torchs(epsilon):
    """Ten steps with random sums, against torch.optim.Adam on the same gradients in float64."""
    generator = np.random.default_rng(0)
    row = np.zeros(64, np.float32)
    row[:16] = generator.standard_normal(16)
    row[48:] = torch.softmax(torch.from_numpy(row[:16]), -1)
    weights = row[48:].astype(np.float64)
    z = torch.tensor(row[:16], dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([z], lr=0.01, eps=epsilon)
    for step in range(1, 11):
        sums = generator.standard_normal(4).astype(np.float32)
        value = COEFFICIENTS @ sums.astype(np.float64)
        z.grad = torch.from_numpy(weights * (value - weights @ value) / 0.5)
        adam.step()
        update_neurons(
            row[None, None],
            0,
            1,
            sums[None],
            np.float32(2),
            np.float32(0.01 / (1 - 0.9**step)),
            np.float32((1 - 0.999**step) ** -0.5),
            np.float32(epsilon),
        )
        np.testing.assert_allclose(row[:16], z.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("straight_through", [True, False])
def test_a_row_that_is_prefetched_counts_like_any_other(straight_through):
    """Gradients of a layer beyond the threshold of prefetching, against float64 autograd."""
    estimator = Estimator("none", 1.0, straight_through)
    pixels, labels = images(64)
    wide = engine(estimator, width=16400, group_temperature=100.0)
    reference = LogicNetwork(
        inputs=36, classes=10, depth=3, width=16400, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=100.0, estimator=estimator, seed=0,
    ).double().train()  # fmt: skip
    scores = reference(torch.from_numpy((pixels[:, None, :] > LEVELS).reshape(64, -1)))
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).backward()
    wide.step(pixels, labels)
    for layer, exact in enumerate(reference.logits):
        ours = wide.optimizer_state()[f"adam_m.{layer}"].double() / 0.1
        assert (ours - exact.grad).abs().max() <= 1e-5 * exact.grad.abs().max()


@pytest.mark.parametrize("straight_through", [True, False])
def test_what_lanes_past_the_batch_held_before_changes_nothing(straight_through):
    """A short batch after a long one, against the same short batch in a fresh engine."""
    estimator = Estimator("gumbel", 0.5, straight_through)
    used, fresh = engine(estimator), engine(estimator)
    used.step(*images(64, seed=1))
    state = {name: value.clone() for name, value in used.network.state_dict().items()}
    fresh.network.load_state_dict(state)
    fresh.load_optimizer_state(used.optimizer_state())
    mean_loss(used)
    for trained in (used, fresh):
        trained.step(*images(37, seed=2))
    assert mean_loss(used) == mean_loss(fresh)
    for ours, theirs in zip(used.network.logits, fresh.network.logits, strict=True):
        assert torch.equal(ours, theirs)


def test_logits_set_from_outside_count_at_once():
    """Gates are drawn at the start of a step, so no step uses gates of old logits."""
    trained, reference = (engine(Estimator("gumbel", 0.5, True), backend) for backend in ("numba", "torch"))
    for seed in range(2):
        trained.step(*images(40, seed))
        reference.step(*images(40, seed))
    for one in (trained, reference):
        mean_loss(one)
        for logits in one.network.logits:
            logits.data.mul_(-3.0)
        one.step(*images(40, seed=9))
    assert mean_loss(trained) == pytest.approx(mean_loss(reference), rel=1e-4)


def test_nan_logits_show_in_the_loss_without_straight_through():
    broken = engine(Estimator("none", 1.0, False))
    with torch.no_grad():
        broken.network.logits[1][3] = math.nan
    broken.step(*images(40))
    assert math.isnan(mean_loss(broken))


def test_a_label_outside_the_classes_shows_in_the_loss():
    """Engines refuse such a label; the kernel itself gives NaN."""
    sums, gradient = np.zeros((10, 64), np.float32), np.zeros((10, 64), np.float32)
    assert math.isnan(loss_and_gradient(sums, np.array([3, 10]), 1.0, 1.0, gradient))
    assert not math.isnan(loss_and_gradient(sums, np.array([3, 9]), 1.0, 1.0, gradient))


def test_a_step_leaves_the_processors_treatment_of_denormals_as_it_was():
    trained = engine(Estimator("gumbel", 1.0, True))
    trained.step(*images(40))
    tiny = np.full(4, 1e-39, np.float32)
    assert (tiny * np.float32(0.5) > 0).all()


def test_compiled_code_is_renewed_when_a_module_it_uses_changes(tmp_path):
    """Numba watches only the kernel's own file, and would keep code with the old constants."""
    package = Path(noise.__file__).parent
    shutil.copytree(package, tmp_path / "lgn", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "probe.py").write_text(
        "import numpy as np\n"
        "from lgn.kernels.cpu.neuron import perturb\n"
        "r = np.zeros(64, np.float32)\n"
        "perturb(r, 0, 0, 1, np.uint64(1), 4)\n"
        "print(abs(r[48:]).max())\n"
    )

    def run():
        out = subprocess.run(
            [sys.executable, "probe.py"], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PATH": "/usr/bin"},
        )  # fmt: skip
        return float(out.stdout)

    before = run()
    file = tmp_path / "lgn" / "randomness.py"
    file.write_text(file.read_text().replace("MIX_1, MIX_2 = 0x21F0AAAD", "MIX_1, MIX_2 = 0x21F0AAAF"))
    assert run() != before
    file.write_text(file.read_text().replace("0x21F0AAAF", "0x21F0AAAD"))
    assert run() == before
