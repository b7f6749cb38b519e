"""The seam on Triton's kernels, under its interpreter where there is no GPU: it gives what the CPU's gives."""

import pytest
import torch

pytest.importorskip("triton")

from test_triton import DEVICE, LEVELS, images, large_programs, network  # noqa: F401

from lgn.kernels import make_engine, resolve
from lgn.kernels.autograd import scores
from lgn.kernels.cpu.passes import Passes
from lgn.kernels.gpu.memory import UNFUSED_BYTES, training_bytes
from lgn.kernels.gpu.passes import TritonPasses
from lgn.methods import MODES, Estimator, OptimizerSettings

UNFUSED = [
    Estimator("none", 1.0, True, parametrization="cage"),
    Estimator("none", 1.0, False, 1.5, parametrization="light"),
    Estimator("none", 1.0, True, parametrization="walsh"),
]


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_gradients_of_coefficients_are_those_of_the_cpus_seam(depth, hard):
    """Of a batch that fills no word; where another pass came between, too."""
    generator = torch.Generator().manual_seed(0)
    state = (torch.rand((depth, 30, 4), generator=generator) - 0.3).requires_grad_()
    gates = torch.randint(0, 16, (depth, 30), generator=generator).to(torch.uint8) if hard else None
    found = []
    for kind, last in ((Passes, 1), (TritonPasses, DEVICE)):
        passes = kind(network(Estimator("none", 1.0, hard, 1.5), depth=depth), LEVELS, last)
        ours = scores(passes, images(40)[0], state, gates)
        passes.forward_of(passes.own(state if gates is None else gates), images(40, 1)[0])
        (gradient,) = torch.autograd.grad(ours.cpu().square().sum(), state)
        found.append((ours.detach().cpu(), gradient))
    for one, other in zip(*found, strict=True):
        assert (one - other).abs().max() <= 1e-6 * one.abs().max()


@pytest.mark.parametrize("estimator", UNFUSED, ids=lambda estimator: estimator.parametrization)
def test_a_step_of_any_method_is_the_cpus(estimator):
    pixels, labels = images(40)
    adam, engines = OptimizerSettings(0.01), []
    for backend, device in (("numba", "cpu"), ("triton", DEVICE)):
        engine = make_engine(network(estimator), LEVELS, adam, backend, device)
        assert (engine.name, engine.device) == (backend, device)
        engine.step(pixels, labels)
        engines.append(engine)
    cpu, gpu = engines
    assert gpu.take_losses() == pytest.approx(cpu.take_losses(), rel=1e-6)
    moments = gpu.optimizer_state()
    for name, moment in cpu.optimizer_state().items():
        assert (moments[name] - moment).abs().max() <= 1e-5 * moment.abs().max(), name
    for layer in range(cpu.network.depth):
        assert torch.equal(gpu.network.gates(layer).cpu(), cpu.network.gates(layer))
    # The same parameters, which Adam makes of near-zero gradients of any sign.
    cpu.network.load_state_dict(gpu.network.state_dict())
    for mode in MODES:
        assert abs(gpu.scores(pixels, mode, 3) - cpu.scores(pixels, mode, 3)).max() < 1e-5, mode


def test_torchs_share_of_a_step_is_in_the_memory_estimate():
    shape = dict(depth=3, width=30, inputs=36, classes=10, pixels=12, batch=40, straight_through=True)
    alone, fused, light = (
        training_bytes(**shape, estimator=estimator)
        for estimator in (None, Estimator("gumbel", 1.0, True), UNFUSED[1])
    )
    assert alone == fused == light - 3 * 30 * UNFUSED_BYTES


def test_auto_takes_triton_on_a_gpu_for_any_method_on_cells(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for estimator in UNFUSED:
        assert resolve("auto", "cuda", estimator) == ("triton", "cuda")
    assert capsys.readouterr().err == ""
    assert resolve("auto", "cuda", Estimator("none", 1.0, False, parametrization="walsh"))[0] == "torch"
