"""Each method and optimizer against its source's own statement: values worked by hand, formulas, torchlogix."""

import math

import numpy as np
import pytest
import torch

from lgn.gates import COEFFICIENTS, NAMES, TRUTH_TABLE
from lgn.kernels.optimizers import torch_optimizer
from lgn.methods import Estimator, OptimizerSettings, method_of
from lgn.methods._method import Draw, Initial, forward_coefficients
from lgn.noise import gumbel, uniforms
from lgn.randomness import layer_key

KEY = layer_key(3, 1, 4)
TABLES = torch.tensor(TRUTH_TABLE)


def method(name, options="", straight_through=False, temperature=1.0, noise="none"):
    estimator = Estimator(noise, temperature, straight_through, parametrization=name, options=options)
    kind = method_of(estimator)
    return kind, Draw("train_mode", estimator, KEY, kind.state())


def drawn(size, rows=50, seed=0):
    return torch.randn((rows, size), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def values(coefficients, a, b):
    """(width, batch) outputs on inputs (width, batch)."""
    c = coefficients.unsqueeze(-1)
    return c[:, 0] + c[:, 1] * a + c[:, 2] * b + c[:, 3] * a * b


@pytest.mark.parametrize(
    ("options", "parameters", "cells"),
    [
        ("", [-math.pi / 2, 0.0, math.pi / 6, math.pi / 2], [0.0, 0.5, 0.75, 1.0]),
        ('{"cells": "sigmoid"}', [-math.log(3), 0.0, math.log(3), math.log(9)], [0.25, 0.5, 0.75, 0.9]),
    ],
)
def test_light_by_hand(options, parameters, cells):
    light, draw = method("light", options)
    ours = light.coefficients(torch.tensor([parameters]), draw)[0].tolist()
    w00, w01, w10, w11 = cells
    assert ours == pytest.approx([w00, w10 - w00, w01 - w00, w11 - w10 - w01 + w00], abs=1e-6)
    # Deployed: w >= 1/2 at 00, 01, 10, 11 is 0111.
    assert NAMES[light.gates(torch.tensor([parameters]))] == "or"


@pytest.mark.parametrize(
    ("options", "shift"), [("", 1.2), ('{"cells": "sigmoid"}', 3.0), ('{"shift": 0}', 0.0)]
)
def test_light_begins_at_the_gate_that_passes_its_first_input_on(options, shift):
    light, _ = method("light", options)
    begun = light.init(np.random.default_rng(0), 20_000, Initial())
    assert begun.mean(0).numpy() == pytest.approx([-shift, -shift, shift, shift], abs=0.01)
    assert begun.std(0).numpy() == pytest.approx(0.25, abs=0.01)
    if shift:
        assert {NAMES[k] for k in light.gates(begun)} == {"a"}


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_covjacs_jacobian_is_twice_the_covariance_of_the_gates_over_the_temperature(temperature):
    covjac, draw = method("covjac", temperature=temperature)
    gates = torch.tensor(COEFFICIENTS, dtype=torch.float64)
    for c in drawn(4, rows=5):
        w = torch.softmax(-((c - gates) ** 2).sum(-1) / temperature, -1)
        mean = w @ gates
        assert torch.allclose(covjac.coefficients(c[None], draw)[0], mean)
        covariance = (w[:, None] * (gates - mean)).T @ (gates - mean)
        jacobian = torch.autograd.functional.jacobian(lambda c: covjac.coefficients(c[None], draw)[0], c)
        assert torch.allclose(jacobian, 2 / temperature * covariance)


def test_covjac_and_mste_snap_every_gate_to_itself():
    for name in ("covjac", "mste"):
        kind, _ = method(name)
        near = torch.tensor(COEFFICIENTS) + 0.3 * (torch.rand((16, 4)) - 0.5)
        assert kind.gates(near).tolist() == list(range(16))


def test_mste_goes_through_the_snap_unchanged():
    """Forward the nearest gate, backward delta * (1, a, b, ab)."""
    mste, draw = method("mste", straight_through=True)
    c = drawn(4).requires_grad_()
    a, b, delta = torch.rand((3, 50, 7), dtype=torch.float64)
    outputs = values(forward_coefficients(mste, c, draw), a, b)
    assert torch.equal(
        outputs, values(torch.tensor(COEFFICIENTS, dtype=torch.float64)[mste.gates(c).long()], a, b)
    )
    outputs.backward(delta)
    assert torch.allclose(c.grad, torch.stack([delta, delta * a, delta * b, delta * a * b]).sum(-1).T)


@pytest.mark.parametrize(("confidence", "temperature"), [(1 / 16, 3.0), (1.0, 0.5), (17 / 32, 1.75)])
def test_cages_backward_temperature(confidence, temperature):
    cage, _ = method("cage", straight_through=True)
    assert float(cage.backward_temperature({"c_ema": torch.tensor(confidence)})) == pytest.approx(temperature)


def test_cages_confidence_is_a_moving_average_over_all_neurons():
    cage, draw = method("cage", straight_through=True)
    certain, open_ = torch.zeros((4, 16)), torch.zeros((4, 16))
    certain[:, 5] = 100.0
    for step in range(1, 4):
        cage.update(draw.state, [certain, open_])
        mean = (1 + 1 / 16) / 2
        assert float(draw.state["c_ema"]) == pytest.approx(mean + 0.99**step * (1 / 16 - mean), rel=1e-5)


@pytest.mark.parametrize("noise", ["none", "gumbel"])
def test_cages_gradient_is_that_of_its_formula(noise):
    """dL/dz_j = delta / t_b * w_j (g_j - sum_i w_i g_i), w = softmax(z / t_b) without noise, forward argmax(z + g)."""
    cage, draw = method("cage", straight_through=True, noise=noise)
    draw.state["c_ema"].fill_(0.5)
    t_b = 3 - 2.5 * (0.5 - 1 / 16) / (15 / 16)
    z = drawn(16).requires_grad_()
    a, b = torch.rand((2, 50, 1), dtype=torch.float64)
    outputs = values(forward_coefficients(cage, z, draw), a, b)
    chosen = (z + (gumbel(uniforms(KEY, 50)).double() if noise == "gumbel" else 0)).argmax(-1)
    gates = torch.tensor(COEFFICIENTS, dtype=torch.float64)
    g = (
        gates @ torch.cat([torch.ones_like(a), a, b, a * b], 1).T
    )  # (16, 50): every gate on every neuron's inputs.
    assert torch.equal(outputs[:, 0], values(gates[chosen], a, b)[:, 0])
    outputs.sum().backward()
    w = torch.softmax(z.detach() / t_b, -1)
    assert torch.allclose(z.grad, w * (g.T - (w * g.T).sum(-1, keepdim=True)) / t_b)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_walsh_by_hand(temperature):
    """s = t0 + t1 v + t2 u + t3 uv with u = 1 - 2a, v = 1 - 2b; xor is s = uv."""
    walsh, draw = method("walsh", temperature=temperature)
    t = torch.tensor([[0.1, -0.2, 0.3, 2.0]])
    at_cells = [0.1 - 0.2 + 0.3 + 2, 0.1 + 0.2 + 0.3 - 2, 0.1 - 0.2 - 0.3 - 2, 0.1 + 0.2 - 0.3 + 2]
    expected = [1 / (1 + math.exp(s / temperature)) for s in at_cells]
    c = walsh.coefficients(t, draw)
    a, b = torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[0.0, 1, 0, 1]])
    assert values(c, a, b)[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert walsh.outputs(t, a, b, draw)[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert NAMES[walsh.gates(t)] == "xor"
    begun = walsh.init(np.random.default_rng(0), 3, Initial(temperature=temperature))
    passing = walsh.outputs(begun, torch.ones(3, 1), torch.zeros(3, 1), draw)
    assert passing.numpy() == pytest.approx(0.951, abs=1e-6) and {NAMES[k] for k in walsh.gates(begun)} == {
        "a"
    }


@pytest.mark.parametrize("sampling", ["soft", "hard"])
@pytest.mark.parametrize(
    ("name", "options", "theirs"), [("light", '{"cells": "sigmoid"}', "light"), ("walsh", "", "warp")]
)
def test_outputs_and_gradients_are_torchlogixs(name, options, theirs, sampling):
    """On reals where soft; on bits where hard, and there the gradient of the parameters."""
    try:
        from torchlogix import parametrization
    except (ImportError, SyntaxError):  # It is for Python from 3.12 on.
        pytest.skip("torchlogix is not installed here, or does not load")
    if (name, sampling) == ("light", "hard"):
        pytest.skip("Light is soft in its paper")
    temperature = 1.0 if name == "light" else 0.7
    other = parametrization.setup_parametrization(
        theirs, 2, forward_sampling=sampling, temperature=temperature
    )
    kind, draw = method(name, options, sampling == "hard", temperature)
    x = torch.rand((9, 2, 50), dtype=torch.float64)
    x = x.round() if sampling == "hard" else x
    ours, their = drawn(4).requires_grad_(), drawn(4).requires_grad_()
    a, b = x[:, 0].T, x[:, 1].T
    outputs = (
        values(forward_coefficients(kind, ours, draw), a, b)
        if kind.on_cells(draw.estimator)
        else kind.outputs(ours, a, b, draw)
    )
    expected = other(x, their, True, "n,bn->bn").T
    assert torch.allclose(outputs, expected)
    weights = torch.rand((50, 9), dtype=torch.float64)
    (outputs * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.allclose(ours.grad, their.grad)
    their_gates = other.get_luts_and_ids(their.detach())[0].long()
    assert torch.equal(TABLES[kind.gates(ours.detach()).long()], their_gates.reshape(50, 4))


def test_adam_by_atan2_has_no_epsilon():
    """Its first step is lr * atan2(g, |g|) = lr * pi / 4 for a gradient of any size; zero gradients do not move."""
    parameter = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
    optimizer = torch_optimizer([parameter], OptimizerSettings(0.1, "adam_atan2"))
    parameter.grad = torch.tensor([1.0, -1e-30, 1e-12, 0.0], dtype=torch.float64)
    optimizer.step()
    assert parameter.tolist() == pytest.approx(
        [-0.1 * math.pi / 4, 0.1 * math.pi / 4, -0.1 * math.pi / 4, 0.0]
    )
    before = parameter.detach().clone()
    parameter.grad = torch.full((4,), 2.0, dtype=torch.float64)
    optimizer.step()
    m = (0.9 * 0.1 * 1.0 + 0.1 * 2.0) / (1 - 0.9**2)
    v = (0.999 * 0.001 * 1.0 + 0.001 * 4.0) / (1 - 0.999**2)
    assert float(parameter.detach()[0] - before[0]) == pytest.approx(-0.1 * math.atan2(m, math.sqrt(v)))
