"""The Triton backend against the reference network, on a GPU where there is one, else under Triton's interpreter.

Run as a program it compiles every kernel for a GPU that need not be there, which the last test asks of it.
"""

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("triton")

import triton
import triton.language as tl
from losses import mean_loss

from lgn import randomness
from lgn.errors import LgnError
from lgn.gates import COEFFICIENTS
from lgn.kernels import make_engine
from lgn.kernels.gpu import batched
from lgn.kernels.gpu import launch as triton_launch
from lgn.kernels.gpu import memory as triton_memory
from lgn.kernels.gpu import neuron as triton_math
from lgn.kernels.gpu.batched import BatchedSeeds
from lgn.kernels.gpu.engine import TritonEngine
from lgn.kernels.gpu.passes import TritonPasses
from lgn.methods import MODES, Estimator, OptimizerSettings
from lgn.network import LogicNetwork
from lgn.noise import NOISES, uniforms
from lgn.randomness import layer_key

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ROOT = Path(__file__).resolve().parent.parent
METHODS = [
    Estimator(noise, temperature, straight_through, grad_factor)
    for (noise, straight_through), (temperature, grad_factor) in itertools.product(
        itertools.product(("none", *NOISES), (True, False)), ((1.0, 1.0), (0.3, 1.5))
    )
]
BOTH_PATHS = [Estimator("gumbel", 0.3, True), Estimator("gumbel", 0.3, False)]
PIXELS, LEVELS = 12, np.repeat(np.array([[60], [128], [200]], np.uint8), 12, axis=1)


@pytest.fixture(autouse=True, scope="module")
def large_programs():
    """The interpreter's time does not depend on a program's size."""
    with pytest.MonkeyPatch.context() as patch:
        if DEVICE == "cpu":
            patch.setattr(triton_launch, "SAMPLE_BLOCK", 128)
            patch.setattr(triton_launch, "BACKWARD_VALUES", 2048)
        yield


def network(estimator, width=30, depth=3, seed=0, **overrides):
    keys = dict(
        inputs=LEVELS.size, classes=10, depth=depth, width=width, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=2.0, estimator=estimator, seed=seed,
    )  # fmt: skip
    return LogicNetwork(**keys | overrides)


def engine(estimator, **overrides):
    return TritonEngine(network(estimator, **overrides), LEVELS, OptimizerSettings(0.01), DEVICE)


def torch_engine(estimator, **overrides):
    return make_engine(network(estimator, **overrides), LEVELS, OptimizerSettings(0.01), "torch", "cpu")


def images(count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, PIXELS), dtype=np.uint8), generator.integers(0, 10, count)


def bits_of(pixels):
    return torch.from_numpy((pixels[:, None, :] > LEVELS).reshape(len(pixels), -1))


def autograd_gradients(estimator, pixels, labels, **overrides):
    """Logit gradients of the reference network in float64, under the float32 engines' own noise."""
    reference = network(estimator, **overrides).double().train()
    scores = reference(bits_of(pixels))
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).backward()
    return [logits.grad for logits in reference.logits]


def first_step_gradients(trained):
    """Adam's first moment after one step is 0.1 times the gradient."""
    moments = trained.optimizer_state().items()
    return [moment.double() / 0.1 for name, moment in moments if name.startswith("adam_m")]


def assert_gradients(ours, exact, tolerance=1e-5):
    for one, other in zip(ours, exact, strict=True):
        assert (one.cpu() - other).abs().max() <= tolerance * other.abs().max() + 1e-12


@triton.jit
def functions(x, log, exp, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(log + i, triton_math.log(tl.load(x + i)))
    tl.store(exp + i, triton_math.exp(-tl.load(x + i)))


@triton.jit
def noises(keys, u, g, NOISE: tl.constexpr, BLOCK: tl.constexpr):
    neuron = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    place = neuron[:, None] * 16 + tl.arange(0, 16)[None, :]
    zero = neuron * 0
    drawn = triton_math.uniforms(neuron, zero + tl.load(keys), zero + tl.load(keys + 1))
    tl.store(u + place, drawn)
    tl.store(g + place, triton_math.noise_of(drawn, NOISE))


def test_log_and_exp_are_within_2e_7():
    near_one = 1 - np.arange(1, 1025) * 2.0**-24
    x = torch.tensor(
        np.concatenate([near_one, np.geomspace(2.0**-30, 87, 2**12 - 1024)]), dtype=torch.float32
    )
    logs, exps = (torch.empty(2**12, device=DEVICE) for _ in range(2))
    functions[(1,)](x.to(DEVICE), logs, exps, BLOCK=2**12)
    assert (logs.cpu() / x.double().log() - 1).abs().max() < 2e-7
    assert (exps.cpu() / (-x.double()).exp() - 1).abs().max() < 2e-7


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_the_references(name):
    """Uniforms bit for bit; the noise as near the float64 value as float32 lets torch be, up to a few roundings."""
    keys = torch.from_numpy(triton_memory.layer_keys(12345, 678, 4)[3]).to(DEVICE)
    u, g = (torch.empty(2**14, 16, device=DEVICE) for _ in range(2))
    noises[(16,)](keys, u, g, NOISE=name, BLOCK=2**10)
    expected = uniforms(layer_key(12345, 678, 3), 2**14)
    assert torch.equal(u.cpu(), expected)
    exact = NOISES[name](expected.double())
    assert (g.cpu() - exact).abs().max() < 2e-6
    if name == "gaussian":
        assert (g.cpu() / exact - 1).abs().max() < 1e-6


@pytest.mark.parametrize("seed", [0, 2**64 - 1, 2**64 + 5])
@pytest.mark.parametrize("step", [0, 255, 256, 10**7])
def test_keys_are_noises_layer_keys(seed, step):
    keys = triton_memory.layer_keys(seed, step, 5).view(np.uint32)
    assert [tuple(map(int, key)) for key in keys] == noise_keys(seed, step)


def noise_keys(seed, step):
    return [randomness.layer_key(seed % 2**64, step, layer) for layer in range(5)]


@pytest.mark.parametrize("estimator", METHODS, ids=str)
def test_gradients_equal_float64_autograd(estimator):
    pixels, labels = images(50)
    trained = engine(estimator)
    trained.step(pixels, labels)
    assert_gradients(first_step_gradients(trained), autograd_gradients(estimator, pixels, labels))


@given(
    width=st.integers(1, 9).map(lambda group: 10 * group),
    depth=st.integers(1, 4),
    batch=st.integers(1, 140),
    straight_through=st.booleans(),
    wiring=st.sampled_from(["random", "unique"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=10, deadline=None, derandomize=True)
def test_gradients_at_any_shape(width, depth, batch, straight_through, wiring, seed):
    """Batches that do not fill a word, neurons without consumers or with one input twice (random wiring has both)."""
    estimator = Estimator("gumbel", 0.5, straight_through)
    wiring = wiring if width >= 18 else "random"
    pixels, labels = images(batch, seed)
    trained = engine(estimator, width=width, depth=depth, seed=seed, wiring=wiring)
    trained.step(pixels, labels)
    exact = autograd_gradients(estimator, pixels, labels, width=width, depth=depth, seed=seed, wiring=wiring)
    assert_gradients(first_step_gradients(trained), exact)


@pytest.mark.parametrize("estimator", BOTH_PATHS, ids=str)
def test_gradients_with_uneven_fan_out_and_twenty_classes(estimator):
    """A hidden neuron with all of the next layer as consumers, others without any, and more neurons than a program."""
    pixels, labels = images(140)
    labels = labels * 2 + 1
    shape = dict(width=100, classes=20)
    trained, reference = network(estimator, **shape), network(estimator, **shape).double().train()
    for one in (trained, reference):
        one.wiring(1)[0] = 7
        one.wiring(2)[:, 50:] = 13
    scores = reference(bits_of(pixels))
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).backward()
    trained = TritonEngine(trained, LEVELS, OptimizerSettings(0.01), DEVICE)
    trained.step(pixels, labels)
    assert_gradients(first_step_gradients(trained), [logits.grad for logits in reference.logits])


@pytest.mark.parametrize("count", [1, 33, 300])
def test_discrete_scores_equal_the_references_bit_for_bit(count):
    pixels, _ = images(count)
    estimator = Estimator("gumbel", 0.3, True)
    ours, reference = (make(estimator, width=170, depth=5) for make in (engine, torch_engine))
    for mode in ("discrete", "train_mode"):
        assert (ours.scores(pixels, mode, 2) == reference.scores(pixels, mode, 2)).all()
    np.testing.assert_allclose(ours.scores(pixels, "soft"), reference.scores(pixels, "soft"), rtol=2e-5)


def test_soft_networks_evaluate_like_the_reference_in_every_mode():
    """An evaluation in several blocks, of torch's own bytes."""
    pixels, _ = images(150)
    estimator = Estimator("logistic", 0.3, False)
    ours, reference = engine(estimator), torch_engine(estimator)
    for mode in ("soft", "train_mode"):
        expected = reference.scores(pixels, mode, 1)
        np.testing.assert_allclose(ours.scores(torch.from_numpy(pixels), mode, 1), expected, rtol=2e-5)
    assert (ours.scores(pixels, "discrete") == reference.scores(pixels, "discrete")).all()


def test_long_evaluations_go_in_blocks(monkeypatch):
    pixels, _ = images(300)
    ours = engine(BOTH_PATHS[0])
    whole = ours.scores(pixels, "train_mode")
    monkeypatch.setattr("lgn.kernels.gpu.memory.EVALUATION_BYTES", 1)
    assert (ours.scores(pixels, "train_mode") == whole).all()


@pytest.mark.parametrize("estimator", [METHODS[2], METHODS[3], METHODS[5], METHODS[7]], ids=str)
def test_losses_agree_step_by_step_with_the_torch_engine(estimator):
    """Up to the first near tie of two gates that rounding decides; in 6 steps of this small net there is none."""
    ours, reference = engine(estimator), torch_engine(estimator)
    for step in range(6):
        pixels, labels = images(32 if step % 3 else 40, seed=step)
        ours.step(pixels, torch.from_numpy(labels) if step % 2 else labels)
        reference.step(pixels, labels)
        assert mean_loss(ours) == pytest.approx(mean_loss(reference), rel=2e-4), step
    assert int(ours.network.iteration) == 6
    assert math.isnan(mean_loss(ours))


def test_sampled_gates_are_the_references_but_for_near_ties():
    ours = engine(Estimator("gumbel", 0.3, True), width=1500, depth=2)
    ours.forward(images(3)[0], 17)
    for layer, logits in enumerate(ours.network.logits):
        key = layer_key(ours.network.noise_seed, 17, layer)
        noisy = logits.detach().double().cpu() + NOISES["gumbel"](uniforms(key, 1500).double())
        best, second = noisy.topk(2).values.unbind(-1)
        differs = ours.batched.memory.state[layer].cpu() != noisy.argmax(-1)
        assert (best - second)[differs].lt(1e-5).all()
        assert differs.float().mean() < 0.01


def test_mixtures_are_the_softmaxs():
    ours = engine(Estimator("gaussian", 0.3, False), width=1500, depth=1)
    ours.forward(images(3)[0], 17)
    key = layer_key(ours.network.noise_seed, 17, 0)
    noisy = ours.network.logits[0].detach().double().cpu() + NOISES["gaussian"](uniforms(key, 1500).double())
    exact = torch.softmax(noisy / 0.3, -1) @ torch.tensor(COEFFICIENTS, dtype=torch.float64)
    assert (ours.batched.memory.state[0].cpu() - exact).abs().max() < 1e-5


def test_equal_logits_take_the_first_gate():
    ours = engine(Estimator("none", 1.0, True))
    with torch.no_grad():
        ours.network.logits[1].zero_()[:, [5, 9]] = 1.0
    ours.forward(images(3)[0], 0)
    assert ours.batched.memory.state[1].eq(5).all()


@pytest.mark.parametrize("estimator", BOTH_PATHS, ids=str)
def test_training_resumes_exactly_from_a_state_dict(estimator):
    whole, fresh = engine(estimator), engine(estimator)
    for step in range(2):
        whole.step(*images(20, step))
    with torch.no_grad():
        for logits in fresh.network.logits:
            logits.fill_(3.0)
    fresh.step(*images(33))
    state = {name: value.clone() for name, value in whole.network.state_dict().items()}
    fresh.network.load_state_dict(state)
    fresh.load_optimizer_state(whole.optimizer_state())
    for step in range(2, 4):
        for one in (whole, fresh):
            one.step(*images(20, step))
    assert int(fresh.network.iteration) == 4
    for ours, theirs in zip(
        whole.network.state_dict().values(), fresh.network.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_evaluating_and_forward_change_no_training():
    quiet, watched = engine(BOTH_PATHS[1]), engine(BOTH_PATHS[1])
    for step in range(2):
        for one in (quiet, watched):
            one.step(*images(20, step))
        for mode in ("discrete", "soft", "train_mode"):
            watched.scores(images(40)[0], mode)
        watched.backward(watched.forward(images(20, 9)[0], 99))
    for ours, theirs in zip(quiet.network.logits, watched.network.logits, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("estimator", BOTH_PATHS, ids=str)
def test_forward_and_backward_serve_any_optimiser(estimator):
    """SGD on the engine's own parameters against SGD on the reference network."""
    ours, reference = engine(estimator), network(estimator).train()
    theirs = torch.optim.SGD(reference.parameters(), lr=20.0)
    optimizer = torch.optim.SGD(ours.network.parameters(), lr=20.0)
    for step in range(3):
        pixels, labels = images(40, step)
        scores = ours.forward(pixels, step).requires_grad_()
        expected = reference(bits_of(pixels))
        torch.testing.assert_close(scores.detach().cpu(), expected.detach(), rtol=1e-5, atol=1e-5)
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels).to(DEVICE))
        (gradient,) = torch.autograd.grad(loss, scores)
        for logits, value in zip(ours.network.logits, ours.backward(gradient), strict=True):
            logits.grad = value
        optimizer.step()
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(expected, torch.from_numpy(labels)).backward()
        theirs.step()
    assert int(ours.network.iteration) == 0
    for one, other in zip(ours.network.logits, reference.logits, strict=True):
        torch.testing.assert_close(one.detach().cpu(), other.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("estimator", BOTH_PATHS, ids=str)
def test_batched_seeds_train_each_network_as_alone(estimator):
    """Bit for bit, at different seeds and different steps of training, with a width that fills no program."""
    alone = [engine(estimator, seed=seed) for seed in (3, 4)]
    alone[1].network.iteration += 5
    together = [network(estimator, seed=seed) for seed in (3, 4)]
    together[1].iteration += 5
    replicas = BatchedSeeds(together, LEVELS, OptimizerSettings(0.01), DEVICE)
    for step in range(2):
        batches = [images(20, seed=(step, seed)) for seed in (3, 4)]
        for one, batch in zip(alone, batches, strict=True):
            one.step(*batch)
        pixels, labels = (np.stack(arrays) for arrays in zip(*batches, strict=True))
        replicas.step(pixels, labels)
    sums, count = replicas.take_losses()
    for replica, one in enumerate(alone):
        assert one.take_losses() == (sums[replica], count)
        assert int(together[replica].iteration) == int(one.network.iteration)
        for ours, theirs in zip(one.network.logits, together[replica].logits, strict=True):
            assert torch.equal(ours, theirs)
        assert one.optimizer_state().keys() == replicas.optimizer_state(replica).keys()
        for mode in ("discrete", "train_mode"):
            shared = replicas.scores(pixels[0], mode, 1, replica=replica)
            assert (one.scores(pixels[0], mode, 1) == shared).all()


def test_batched_seeds_have_one_shape():
    with pytest.raises(LgnError, match="width"):
        BatchedSeeds(
            [network(BOTH_PATHS[0]), network(BOTH_PATHS[0], width=40)],
            LEVELS,
            OptimizerSettings(0.01),
            DEVICE,
        )


@pytest.mark.parametrize("straight_through", [True, False])
def test_what_lanes_past_the_batch_held_before_changes_nothing(straight_through):
    """A short batch after a long one, against the same short batch in a fresh engine."""
    estimator = Estimator("gumbel", 0.5, straight_through)
    used, fresh = engine(estimator), engine(estimator)
    used.step(*images(64, seed=1))
    fresh.network.load_state_dict({name: value.clone() for name, value in used.network.state_dict().items()})
    fresh.load_optimizer_state(used.optimizer_state())
    mean_loss(used)
    for trained in (used, fresh):
        trained.step(*images(37, seed=2))
    assert mean_loss(used) == mean_loss(fresh)
    for ours, theirs in zip(used.network.logits, fresh.network.logits, strict=True):
        assert torch.equal(ours, theirs)


def test_nan_logits_show_in_the_loss_without_straight_through():
    broken = engine(Estimator("none", 1.0, False))
    with torch.no_grad():
        broken.network.logits[1][3] = math.nan
    broken.step(*images(40))
    assert math.isnan(mean_loss(broken))


@pytest.mark.parametrize("estimator", BOTH_PATHS, ids=str)
def test_memory_is_what_the_estimate_says(estimator):
    trained = engine(estimator)
    trained.step(*images(40))
    tensors = (*vars(trained.batched.memory).values(), *vars(trained.batched.steps[64]).values())
    storages = {
        x.untyped_storage().data_ptr(): x.untyped_storage().nbytes()
        for x in tensors
        if isinstance(x, torch.Tensor)
    }
    used = trained.batched.begins[-1]
    assert sum(storages.values()) == triton_memory.training_bytes(
        depth=3, width=30, inputs=used, classes=10, pixels=PIXELS, batch=40,
        straight_through=estimator.straight_through,
    )  # fmt: skip


@pytest.mark.parametrize("packed", [True, False])
def test_memory_of_an_evaluation_is_within_its_estimate(packed, monkeypatch):
    trained = engine(Estimator("none", 1.0, packed))
    taken = []

    def allocate(shapes, device):
        taken.append(triton_memory.shapes_bytes(shapes))
        return triton_memory.allocate(shapes, device)

    monkeypatch.setattr(batched, "allocate", allocate)
    for mode in MODES:
        trained.scores(images(300)[0], mode)
    estimate = triton_memory.evaluation_bytes(
        depth=3, width=30, inputs=trained.batched.begins[-1], classes=10
    )
    assert max(taken) <= estimate
    wide = triton_memory.evaluation_bytes(depth=6, width=2_048_000, inputs=9216, classes=10)
    assert 2.1 * 2**30 < wide < 2.3 * 2**30


def test_the_papers_network_fits_into_2_gib():
    """Depth 12, width 256,000, 31 thresholds on CIFAR-10. Without straight-through its activations are 1.5 GiB more."""
    paper = dict(
        depth=12,
        width=256_000,
        inputs=31 * 3072,
        classes=10,
        pixels=3072,
        batch=128,
    )
    packed = triton_memory.training_bytes(**paper, straight_through=True)
    soft = triton_memory.training_bytes(**paper, straight_through=False)
    assert packed < 1.0 * 2**30
    assert soft - packed == 12 * 256_000 * (4 * 128 - 16 + 4 * 4 - 1)
    assert soft < 2.5 * 2**30


def compile_launches():
    """Makes every launch compile its kernel for an sm_90 GPU and nothing more, whatever the arguments' device."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.runtime.jit import JITFunction

    names = {torch.float32: "fp32", torch.float64: "fp64", torch.int32: "i32"}
    names[torch.uint8] = "u8"
    compiled = set()

    def compile_only(kernel, *arguments, grid, warmup, **keywords):
        values = dict(zip(kernel.arg_names, arguments, strict=False)) | keywords
        signature, constants, attributes = {}, {}, {}

        def type_of(value, place, parameter):
            if isinstance(value, tuple):
                return tuple(type_of(part, (*place, i), parameter) for i, part in enumerate(value))
            one = type(value) is int and value == 1 and not parameter.do_not_specialize
            if parameter.is_constexpr or value is None or one:
                constants[place] = value
                return "constexpr"
            if isinstance(value, torch.Tensor):
                type_, aligned = f"*{names[value.dtype]}", value.data_ptr() % 16 == 0
            elif isinstance(value, int):
                type_, aligned = "i32", value % 16 == 0 and not parameter.do_not_specialize
            else:
                type_, aligned = "fp32", False
            if aligned:
                attributes[place] = [["tt.divisibility", 16]]
            return type_

        for index, parameter in enumerate(kernel.params):
            signature[parameter.name] = type_of(values[parameter.name], (index,), parameter)
        variant = f"{kernel.__name__} {signature} {constants} {attributes}"
        if variant not in compiled:
            source = ASTSource(kernel, signature, constants, attributes)
            binary = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]
            print("compiled", kernel.__name__, len(binary), flush=True)
            compiled.add(variant)

    JITFunction.run = compile_only


def compile_all_kernels():
    compile_launches()
    for estimator, batch in (
        (Estimator("gumbel", 0.3, True), 128),
        (Estimator("gaussian", 0.3, False), 300),
        (Estimator("logistic", 0.3, True, 1.5), 300),
        (Estimator("uniform", 0.3, False, 1.5), 40),
    ):
        replicas = BatchedSeeds(
            [network(estimator, width=640, depth=4)], LEVELS, OptimizerSettings(0.01), "cpu"
        )
        pixels, labels = images(batch)
        replicas.step(pixels[None], labels[None])
        if batch == 128:
            replicas.backward(replicas.forward(pixels[None], 0))
            for mode in ("discrete", "soft", "train_mode"):
                replicas.scores(pixels, mode)
    for estimator, state in (
        (BOTH_PATHS[0], torch.zeros((2, 640), dtype=torch.uint8)),
        (BOTH_PATHS[1], torch.zeros((2, 640, 4))),
    ):
        passes = TritonPasses(network(estimator, width=640, depth=2), LEVELS, "cpu")
        passes.backward_of(state, passes.forward_of(state, images(128)[0]))
        passes.scores_of(state, images(128)[0])


def test_every_kernel_compiles_for_a_gpu(tmp_path):
    """With the arguments of real steps, on a machine with or without a GPU."""
    path = os.pathsep.join([str(ROOT), *sys.path])
    settings = {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": path}
    out = subprocess.run(
        [sys.executable, __file__], env=os.environ | settings, capture_output=True, text=True, check=False
    )
    if "Cannot find ptxas" in out.stderr:
        pytest.skip("this build of Triton brings no compiler for NVIDIA GPUs")
    assert out.returncode == 0, out.stderr
    names = {line.split()[1] for line in out.stdout.splitlines()}
    assert names == {
        "encode", "sample_gates", "mix_coefficients", "evaluate_gates", "evaluate_mixtures", "count_classes",
        "sum_classes", "loss_and_gradient", "backward",
    }  # fmt: skip


if __name__ == "__main__":
    compile_all_kernels()
