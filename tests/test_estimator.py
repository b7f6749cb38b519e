"""The softmax's coefficients and their gradients against torch's own gumbel_softmax under the same noise."""

import pytest
import torch

from lgn.gates import COEFFICIENTS
from lgn.methods import MODES, Estimator, method_of
from lgn.methods._method import Draw, forward_coefficients, gate_coefficients
from lgn.noise import gumbel, uniforms
from lgn.randomness import layer_key

KEY = layer_key(5, 0, 0)
TABLE = torch.tensor(COEFFICIENTS, dtype=torch.float32)


def coefficients(logits, estimator, mode="train_mode", key=KEY):
    return forward_coefficients(method_of(estimator), logits, Draw(mode, estimator, key))


def torch_gumbel_softmax(monkeypatch, logits, temperature, hard):
    """torch.nn.functional.gumbel_softmax, its exponential draw replaced by ours: it uses -log(Exp(1)) as noise."""
    noise = gumbel(uniforms(KEY, logits.shape[0])).to(logits.dtype)
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self: torch.exp(-noise))
    return torch.nn.functional.gumbel_softmax(logits, tau=temperature, hard=hard, dim=-1)


@pytest.mark.parametrize("temperature", [0.1, 0.25, 1.0, 2.0])
@pytest.mark.parametrize("hard", [True, False])
def test_gumbel_coefficients_and_gradients_equal_torchs(monkeypatch, temperature, hard):
    logits = torch.randn(200, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    upstream = torch.randn(200, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value = coefficients(ours, Estimator("gumbel", temperature, hard))
    reference = gate_coefficients(torch_gumbel_softmax(monkeypatch, theirs, temperature, hard))
    (value * upstream).sum().backward()
    (reference * upstream).sum().backward()
    torch.testing.assert_close(value, reference, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-9)


def test_straight_through_coefficients_are_exactly_a_gates():
    """torch's own y_hard - y_soft + y_soft leaves rounding errors; activations must be Boolean to be packed."""
    found = coefficients(torch.randn(500, 16), Estimator("gumbel", 0.3, True))
    assert (found[:, None] == TABLE).all(-1).any(-1).all()


def test_modes_without_noise():
    logits = torch.randn(100, 16)
    estimator = Estimator("gumbel", 0.5, True)
    discrete, soft, sampled = (coefficients(logits, estimator, mode) for mode in MODES)
    assert (discrete == TABLE[logits.argmax(-1)]).all()
    torch.testing.assert_close(soft, gate_coefficients(torch.softmax(logits / 0.5, -1)))
    assert (sampled != discrete).any()


def test_dlgns_are_the_plain_softmaxs_and_hard_sts_the_argmaxs():
    logits = torch.randn(100, 16)
    found = coefficients(logits, Estimator("none", 1.0, False), key=None)
    torch.testing.assert_close(found, gate_coefficients(torch.softmax(logits, -1)))
    assert (coefficients(logits, Estimator("none", 1.0, True), key=None) == TABLE[logits.argmax(-1)]).all()


def test_coefficients_of_a_one_hot_weight_are_the_gates():
    torch.testing.assert_close(gate_coefficients(torch.eye(16)), TABLE)
