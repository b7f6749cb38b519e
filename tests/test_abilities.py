"""Settings that a backend does not compute are refused by name, or torch takes them and a line says so."""

import importlib
from dataclasses import dataclass, fields, replace

import numba
import numpy as np
import pytest
import torch

from lgn import kernels
from lgn.errors import LgnError
from lgn.kernels import abilities, make_engine, resolve
from lgn.kernels.abilities import ABILITIES, FUSED, is_fused
from lgn.kernels.cpu.engine import NumbaEngine
from lgn.kernels.cpu.neuron import NOISE_CODES
from lgn.kernels.module import accelerate
from lgn.kernels.optimizers import torch_optimizer
from lgn.methods import NOISE_NAMES, Estimator, OptimizerSettings
from lgn.network import LogicNetwork
from lgn.noise import NOISES

GLGN, ADAM = Estimator("gumbel", 0.5, True), OptimizerSettings(0.01)
LEVELS = np.full((1, 12), 128, np.uint8)


@dataclass(frozen=True)
class Wider(Estimator):
    """An estimator with a field that no backend lists."""

    entropy_weight: float = 0.0


@dataclass(frozen=True)
class Decaying(OptimizerSettings):
    weight_decay: float = 0.0


NEW = [
    (replace(GLGN, noise="cauchy"), ADAM, "noise: cauchy"),
    (Wider("gumbel", 0.5, True, entropy_weight=0.1), ADAM, "entropy_weight: 0.1"),
    (GLGN, OptimizerSettings(0.01, "adamw"), "optimizer: adamw"),
    (GLGN, Decaying(0.01, weight_decay=0.1), "weight_decay: 0.1"),
]


def network(estimator=GLGN):
    return LogicNetwork(
        inputs=12, classes=10, depth=2, width=20, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=2.0, estimator=estimator, seed=0,
    )  # fmt: skip


@pytest.mark.parametrize(("estimator", "optimizer", "stated"), NEW, ids=[stated for *_, stated in NEW])
@pytest.mark.parametrize("backend", ["torch", "numba", "triton", "auto"])
def test_what_no_backend_computes_is_refused(backend, estimator, optimizer, stated, capsys):
    if backend == "triton":
        pytest.importorskip("triton")
    with pytest.raises(LgnError, match=f"^{stated} with backend [a-z]+; allowed there: .+$"):
        make_engine(network(estimator), LEVELS, optimizer, backend)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("estimator", "optimizer", "stated"), NEW, ids=[stated for *_, stated in NEW])
def test_auto_leaves_to_torch_what_torch_alone_computes(estimator, optimizer, stated, monkeypatch, capsys):
    everything = {name.name: abilities.ANY for kind in (Wider, Decaying) for name in fields(kind)}
    monkeypatch.setitem(ABILITIES, "torch", (everything, everything))
    kernels._say.cache_clear()
    for _ in range(2):
        assert resolve("auto", "cpu", estimator, optimizer) == ("torch", "cpu")
    said = capsys.readouterr().err
    assert said.startswith(f"lgn: {stated} with backend numba") and said.count("\n") == 1
    with pytest.raises(LgnError, match=f"^{stated} with backend numba"):
        resolve("numba", "cpu", estimator, optimizer)


def test_new_settings_at_their_defaults_change_nothing():
    assert resolve("numba", "cpu", Wider("none", 1.0, True), Decaying(0.01)) == ("numba", "cpu")


def test_statements_name_what_there_is():
    """A new field or noise is refused until a backend's list has it."""
    for backend, (estimator, optimizer) in ABILITIES.items():
        assert set(estimator) == {field.name for field in fields(Estimator)}, backend
        assert set(optimizer) == {field.name for field in fields(OptimizerSettings)}, backend
        for name in optimizer["name"]():
            torch_optimizer([torch.nn.Parameter(torch.zeros(2, 2))], OptimizerSettings(0.01, name))
        assert estimator["noise"]() == ("none", *NOISES), backend
    assert NOISE_NAMES == tuple(NOISE_CODES)
    assert [is_fused(Estimator(noise, 1.0, True)) for noise in (*NOISE_CODES, "cauchy")] == [True] * 5 + [
        False
    ]
    assert set(FUSED) <= set(ABILITIES["numba"][1]["name"]())


def test_kernels_own_step_is_adam_whatever_they_are_told():
    with pytest.raises(LgnError, match="^optimizer: sgd fused into kernels; allowed: adam$"):
        NumbaEngine(network(), LEVELS, OptimizerSettings(0.01, "sgd"))


def test_without_numbas_compiler_auto_is_torch_and_numba_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    kernels._say.cache_clear()
    assert make_engine(network(), LEVELS, ADAM, "auto", "cpu").name == "torch"
    plain = network()
    assert accelerate(plain, device="cpu").compute == plain.reference_scores
    said = capsys.readouterr().err
    assert said.startswith("lgn: backend: numba with NUMBA_DISABLE_JIT=1; allowed:") and said.count("\n") == 1
    with pytest.raises(LgnError, match="^backend: numba with NUMBA_DISABLE_JIT=1; allowed: [^\n]+$"):
        resolve("numba", "cpu")
    # Modules that import kernels without an engine, such as lgn.inference, give the message too.
    with pytest.raises(LgnError, match="^NUMBA_DISABLE_JIT: 1 [^\n]+; allowed: [^\n]+$"):
        importlib.reload(importlib.import_module("lgn.kernels.cpu.lanes"))


@pytest.mark.parametrize("backend", ["numba", "triton"])
def test_an_engine_says_when_its_network_has_left_it(backend):
    if backend == "triton":
        pytest.importorskip("triton")
    pixels, labels = np.zeros((4, 12), np.uint8), np.zeros(4, np.int64)
    ours = make_engine(network(), LEVELS, ADAM, backend)
    state = {name: value.clone() for name, value in ours.network.state_dict().items()}
    before = ours.scores(pixels, "discrete")
    ours.network.load_state_dict(state)  # As a resumed training does.
    assert (ours.scores(pixels, "discrete") == before).all()
    ours.network.wiring(1)[:] = ours.network.wiring(1).flip(1)
    with pytest.raises(LgnError, match="^wiring: has changed since the engine was made"):
        ours.scores(pixels, "discrete")
    ours.network.load_state_dict(state)
    ours.network.logits[1] = torch.nn.Parameter(ours.network.logits[1].detach().clone())
    with pytest.raises(LgnError, match="^logits: have moved in memory since the engine was made"):
        ours.step(pixels, labels)
