"""Every registered method, by one contract: gradients, gates, pairing, resuming and learning, on its engines."""

import json

import numpy as np
import pytest
import torch
from training_process import record_bytes

import lgn.kernels
import lgn.methods
from analysis.collect import collect
from analysis.summary import summary_shown, summary_values
from analysis.tidy import read_tables
from lgn.errors import LgnError
from lgn.inference import DiscreteNetwork
from lgn.kernels import make_engine
from lgn.kernels.autograd import scores
from lgn.kernels.cpu.passes import Passes
from lgn.kernels.module import accelerate
from lgn.methods import method_label, method_name, method_of, parametrizations, spell_out_method
from lgn.methods._method import Draw
from lgn.methods._names import shorthands
from lgn.prepare import build_network
from lgn.randomness import Batches, layer_key
from lgn.restore import evaluate_record
from lgn.run import parse_run
from lgn.stopping import Stopped, StopRequest
from lgn.train import train
from study.preset import expand, parse_preset

NET = dict(
    dataset="digits", thresholds=4, depth=3, width=60, temperature=1.0, group_temperature=4.0, batch_size=32,
    learning_rate=0.02, iterations=60, evaluations=6, seed=0,
)  # fmt: skip
METHODS = shorthands()
LEVELS = np.repeat(np.array([[60], [128], [180], [200]], np.uint8), 64, axis=1)
ON_CELLS = [name for name in METHODS if name not in ("walsh", "walsh_gumbel")]
LEARN_QUICKLY = ("dlgn", "hard_st", "cage", "covjac", "mste", "light", "light_sigmoid", "walsh_hard")


def run_of(method, **settings):
    return parse_run(NET | spell_out_method({"method": method, **settings}, "test", NET))


def network_of(run):
    return build_network(run, inputs=LEVELS.size)


def engine_of(run, backend="numba", threads=1):
    return make_engine(network_of(run), LEVELS, run.optimizer_settings, backend, "cpu", threads)


def images(count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 64), dtype=np.uint8), generator.integers(0, 10, count)


def bits_of(pixels):
    return torch.from_numpy((pixels[:, None, :] > LEVELS).reshape(len(pixels), -1))


def exact_gradients(run, pixels, labels):
    """Of the parameters of the reference network in float64, under the float32 engines' own noise."""
    reference = network_of(run).double().train()
    torch.nn.functional.cross_entropy(reference(bits_of(pixels)), torch.from_numpy(labels)).backward()
    return [parameters.grad.numpy() for parameters in reference.logits]


@pytest.mark.parametrize("grad_factor", [1.0, 1.5])
@pytest.mark.parametrize("method", ON_CELLS)
def test_gradients_on_kernels_equal_float64_autograd(method, grad_factor):
    run, (pixels, labels) = run_of(method, grad_factor=grad_factor), images(50)
    network = accelerate(network_of(run), "numba").train()
    torch.nn.functional.cross_entropy(network(bits_of(pixels)), torch.from_numpy(labels)).backward()
    for ours, exact in zip(network.logits, exact_gradients(run, pixels, labels), strict=True):
        assert np.abs(ours.grad.numpy() - exact).max() <= 1e-5 * np.abs(exact).max()


@pytest.mark.parametrize("method", METHODS)
def test_coefficients_are_differentiated_right(method):
    """autograd's gradient of c0..c3, of which a step is made, against finite differences."""
    run = run_of(method)
    kind = method_of(run.estimator)
    draw = Draw("train_mode", run.estimator, layer_key(1, 2, 3), kind.state())
    z = torch.randn((5, kind.size), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda z: kind.coefficients(z, draw), z.requires_grad_())


@pytest.mark.parametrize("method", METHODS)
def test_discrete_forward_is_the_same_everywhere(method):
    run, (pixels, _) = run_of(method), images(77)
    network = network_of(run).eval()
    for parameters in network.logits:  # Of any gate, not those that some methods begin with.
        torch.nn.init.normal_(parameters, generator=torch.Generator().manual_seed(0))
    gates = torch.stack([network.gates(layer) for layer in range(run.depth)])
    assert gates.dtype == torch.uint8 and len(gates.unique()) > 8
    reference = network(bits_of(pixels)).detach().numpy()
    if method in ON_CELLS:
        on_kernels = make_engine(network, LEVELS, run.optimizer_settings, "numba", "cpu")
        assert (on_kernels.scores(pixels, "discrete") == reference).all()
    deployed = DiscreteNetwork(network, LEVELS)
    assert (deployed.class_counts(deployed.pack(pixels))[:, :77].T / np.float32(4) == reference).all()


@pytest.mark.parametrize("method", ON_CELLS)
def test_every_mode_scores_as_the_reference_does(method):
    run, (pixels, _) = run_of(method), images(100)
    ours, reference = engine_of(run, threads=2), engine_of(run, "torch")
    for mode in lgn.methods.MODES:
        assert np.abs(ours.scores(pixels, mode, 3) - reference.scores(pixels, mode, 3)).max() < 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_runs_of_all_methods_pair(method):
    """One seed: one wiring, one order of the data, one stream of noise; and parameters that the seed alone decides."""
    ours, dlgn, again = (network_of(run_of(name)) for name in (method, "dlgn", method))
    assert all(torch.equal(ours.wiring(layer), dlgn.wiring(layer)) for layer in range(NET["depth"]))
    assert ours.noise_seed == dlgn.noise_seed
    assert (Batches(100, 10, run_of(method).seed)[3] == Batches(100, 10, run_of("dlgn").seed)[3]).all()
    for one, other in zip(ours.logits, again.logits, strict=True):
        assert torch.equal(one, other) and one.shape == (NET["width"], ours.method.size)
        assert one.dtype == torch.float32


OPTIMIZERS = [
    {"optimizer": "adam_atan2"},
    {"optimizer": "AdamW", "optimizer_options": {"weight_decay": 0.01}},
    {"optimizer": "SGD", "optimizer_options": {"momentum": 0.9}},
    {"optimizer": "NAdam", "optimizer_options": {"betas": [0.8, 0.99]}},
]


@pytest.mark.parametrize(
    ("method", "settings"),
    [(name, {}) for name in METHODS if name not in lgn.methods.METHODS]
    + [(name, settings) for name in ("dlgn", "light") for settings in OPTIMIZERS],
    ids=str,
)
def test_a_training_that_was_cut_ends_in_the_same_bytes(tmp_path, method, settings):
    run, stop = run_of(method, **settings), StopRequest()

    def ask(iteration, row):
        if row and iteration > 5:
            stop.signal = 15

    record = train(run, tmp_path / "whole", tmp_path)
    assert record["environment"]["backend"] == ("numba" if method in ON_CELLS else "torch")
    with pytest.raises(Stopped):
        train(run, tmp_path / "cut", tmp_path, progress=ask, stop=stop)
    train(run, tmp_path / "cut", tmp_path)
    assert record_bytes(tmp_path / "cut") == record_bytes(tmp_path / "whole")


@pytest.mark.parametrize("method", LEARN_QUICKLY)
def test_it_learns(tmp_path, method):
    run = run_of(method, iterations=400, width=200, evaluations=2)
    final = train(run, tmp_path, tmp_path)["final"]
    assert final["test_accuracy_discrete"] > 0.4 and final["test_accuracy_train_mode"] > 0.4  # Chance is 0.1.
    for column, (recorded, now) in evaluate_record(tmp_path, tmp_path).items():
        assert recorded == now, column


def test_names_say_what_a_run_is():
    for name in METHODS:
        run = run_of(name, **({"temperature": 0.5} if name == "glgn" else {}))
        assert run.method == name and method_label(name) and parse_run(run.model_dump()) == run
    assert method_name("gumbel", True, "light") == "light_gumbel"
    assert method_label("gaussian_st") == "Gaussian ST" and method_label("gone") == "gone"
    assert {kind.name for kind in parametrizations().values()} == set(parametrizations())


def test_options_at_their_defaults_leave_a_run_what_it_was():
    plain = run_of("light")
    for stated in ({}, {"cells": "sinusoidal"}, {"scale": 0.25, "shift": None}, "", '{"scale": 0.25}'):
        assert run_of("light", options=stated) == plain and run_of("light", options=stated).hash == plain.hash
    assert run_of("light", options={"cells": "sigmoid"}) == run_of("light_sigmoid") != plain
    assert run_of("light_sigmoid", options={"scale": 1}).options == '{"cells": "sigmoid", "scale": 1.0}'


REFUSED = [
    ("light", {"noise": "gumbel"}, "noise: 'gumbel' beside method light, which stands for none"),
    ("light", {"temperature": 0.5}, "temperature: 0.5 with parametrization light; allowed: 1.0"),
    ("light", {"init": "residual"}, "init: 'residual' with parametrization light; allowed: gaussian"),
    ("mste", {"final_temperature": 0.1}, "final_temperature: 0.1 with parametrization mste; allowed: null"),
    ("dlgn", {"options": {"cells": "sigmoid"}}, "options: .* with parametrization softmax; allowed: none"),
    ("dlgn", {"parametrization": "light"}, "parametrization: 'light' beside method dlgn"),
    ("light", {"options": {"scale": -1}}, "options.scale: -1 is not allowed; allowed: .*greater than"),
    ("light", {"options": {"scales": 1}}, "options.scales: unknown key; allowed: cells, scale, shift"),
    ("light_sigmoid", {"options": {"cells": "sinusoidal"}}, "options.cells: 'sinusoidal' beside method light_sigmoid"),
    ("light", {"options": "sigmoid"}, "options: 'sigmoid' is not allowed; allowed: a mapping of plain values"),
    ("luhn", {}, "method: 'luhn' is unknown; allowed: dlgn, .*walsh"),
    ("dlgn", {"optimizer": "AdamWW"}, "optimizer: 'AdamWW' is unknown; allowed: 'adam', .*'AdamW'"),
    ("dlgn", {"optimizer": "LBFGS"}, "optimizer: 'LBFGS' is unknown"),
    ("dlgn", {"optimizer": "AdamW", "epsilon": 1e-9}, "epsilon: 1e-09 with optimizer AdamW, whose eps is an argument"),
    ("dlgn", {"optimizer": "AdamW", "optimizer_options": {"decay": 1}}, "optimizer_options: decay with .* AdamW"),
    ("dlgn", {"optimizer": "SGD", "optimizer_options": {"momentum": -1}}, "optimizer_options: .*Invalid momentum"),
    ("dlgn", {"optimizer_options": {"momentum": 1}}, "optimizer_options: .* with optimizer adam; allowed: none"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "settings", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_does_not_apply_is_refused_in_one_line(method, settings, message):
    with pytest.raises(LgnError, match=message) as refused:
        run_of(method, **settings)
    assert "\n" not in str(refused.value)


def test_what_kernels_do_not_compute_is_left_to_torch(capsys):
    run = run_of("walsh")
    lgn.kernels._say.cache_clear()
    with pytest.raises(LgnError, match="^parametrization: walsh without straight_through with backend numba"):
        engine_of(run)
    assert engine_of(run, "auto").name == "torch"
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(
        LgnError, match="^parametrization: walsh without straight_through with backend triton"
    ):
        lgn.kernels.resolve("triton", "cpu", run.estimator)


LAPLACE = """
import torch

NOISES = {"laplace": lambda u: -(u - 0.5).sign() * torch.log1p(-2 * (u - 0.5).abs())}
"""
NEWCOMER = '''
import torch

from lgn.gates import COEFFICIENTS
from lgn.methods._method import Method, table


class Sharp(Method):
    """A softmax of squares, soft; it has no word on probabilities."""

    name, label = "sharp", "Sharp squares"
    named = {"sharp": ("Sharp squares", {})}

    def coefficients(self, parameters, draw):
        return torch.softmax(parameters * parameters.abs(), -1) @ table(COEFFICIENTS, parameters)

    def gates(self, parameters):
        return parameters.argmax(-1).to(torch.uint8)
'''


def test_a_newcomer_is_one_file_and_one_line_of_a_preset(tmp_path, monkeypatch):
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "laplace.py").write_text(LAPLACE)
    (folder / "sharp.py").write_text(NEWCOMER)
    monkeypatch.setattr(lgn.methods, "__path__", [*lgn.methods.__path__, str(folder)])
    base = {key: value for key, value in NET.items() if key != "seed"}
    sweeps = [
        {"set": {"method": "sharp"}},
        {"set": {"noise": "laplace", "straight_through": True}},
        {"set": {"method": "dlgn"}},
    ]
    preset = parse_preset({"preset": "x", "base": base, "seeds": [0], "sweeps": sweeps})
    for run in expand(preset):
        record = train(run, tmp_path / "runs" / run.run_id, tmp_path)
        assert record["environment"]["backend"] == "numba" and record["status"] == "completed"
    collect(tmp_path / "runs", tmp_path / "results")
    shown = summary_shown(summary_values(read_tables(tmp_path / "results")))
    measured = shown
    assert set(measured["method"]) == {"Sharp squares", "Laplace ST", "DLGN"}
    assert (
        json.loads((next((tmp_path / "runs").glob("*sharp*")) / "run.json").read_text())["method"] == "sharp"
    )


def test_a_state_may_be_told_to_the_kernels_and_is_computed_anew_where_another_pass_came_between():
    run, (pixels, _) = run_of("dlgn"), images(70)
    passes = Passes(network_of(run), LEVELS)
    state = torch.rand((3, 60, 4), requires_grad=True)
    first = scores(passes, pixels, state)
    wanted = torch.autograd.grad(first.square().sum(), state, retain_graph=True)[0]
    with torch.no_grad():
        scores(passes, pixels, torch.rand((3, 60, 4)))
    assert torch.equal(torch.autograd.grad(first.square().sum(), state)[0], wanted)
