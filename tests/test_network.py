"""The reference forward against a plain loop over neurons and images."""

import itertools

import numpy as np
import pytest
import torch

from lgn.gates import TRUTH_TABLE
from lgn.methods import Estimator
from lgn.network import LogicNetwork


def make(width=30, depth=3, inputs=17, estimator=Estimator("gumbel", 0.5, True), **overrides):
    settings = dict(
        inputs=inputs, classes=10, depth=depth, width=width, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=2.0, estimator=estimator, seed=4,
    )  # fmt: skip
    return LogicNetwork(**settings | overrides)


def multilinear(k, a, b):
    """A gate on reals as an expectation over independent bits with probabilities a and b: no coefficients used."""
    chances = {
        (x, y): (a if x else 1 - a) * (b if y else 1 - b) for x, y in itertools.product((0, 1), repeat=2)
    }
    return sum(TRUTH_TABLE[k, 2 * x + y] * p for (x, y), p in chances.items())


def loop_forward(network, bits, weights):
    """(batch, classes) scores, one neuron and one image at a time, sixteen gates each."""
    out = []
    for image in bits.tolist():
        x = image
        for layer in range(network.depth):
            first, second = network.wiring(layer).tolist()
            x = [
                sum(float(w) * multilinear(k, x[i], x[j]) for k, w in enumerate(weights[layer][n]))
                for n, (i, j) in enumerate(zip(first, second, strict=True))
            ]
        group = len(x) // network.classes
        out.append(
            [sum(x[c * group : (c + 1) * group]) / network.group_temperature for c in range(network.classes)]
        )
    return np.array(out)


@pytest.mark.parametrize("mode", ["discrete", "soft"])
def test_forward_equals_a_plain_loop(mode):
    network = make().double().eval()
    bits = torch.rand(5, 17, generator=torch.Generator().manual_seed(0)) < 0.5
    if mode == "soft":
        weights = [torch.softmax(logits.detach() / 0.5, -1) for logits in network.logits]
    else:
        weights = [torch.nn.functional.one_hot(logits.argmax(-1), 16).double() for logits in network.logits]
    expected = loop_forward(network, bits.double(), weights)
    np.testing.assert_allclose(network(bits, mode).detach().numpy(), expected, rtol=1e-12)


def test_training_draws_fresh_noise_a_step_and_shares_it_across_the_batch():
    network = make().train()
    image = torch.rand(1, 17, generator=torch.Generator().manual_seed(0)) < 0.5
    first, second = network(image.expand(6, -1)), network(image.expand(6, -1))
    assert (first == first[0]).all()
    assert int(network.iteration) == 2
    assert not torch.equal(first, second)


def test_evaluation_leaves_the_step_count_and_repeats_itself():
    network = make().eval()
    bits = torch.rand(6, 17) < 0.5
    assert torch.equal(network(bits, "train_mode", 3), network(bits, "train_mode", 3))
    assert not torch.equal(network(bits, "train_mode", 3), network(bits, "train_mode", 4))
    assert int(network.iteration) == 0


def test_equal_seeds_share_wiring_and_logits_across_methods():
    dlgn, glgn = make(estimator=Estimator("none", 1.0, False)), make()
    for layer in range(dlgn.depth):
        assert torch.equal(dlgn.wiring(layer), glgn.wiring(layer))
        assert torch.equal(dlgn.logits[layer], glgn.logits[layer])
    assert not torch.equal(make(seed=5).logits[0], glgn.logits[0])


def test_initial_logits():
    flat = make(width=5000, depth=1, init_scale=3.0).logits[0].detach()
    assert float(flat.std()) == pytest.approx(3, rel=0.02) and float(flat.mean()) == pytest.approx(
        0, abs=0.05
    )
    residual = make(width=5000, depth=1, init="residual", init_bias=5.0).logits[0].detach()
    assert residual.mean(0)[3].item() == pytest.approx(5, abs=0.1)
    assert residual.mean(0)[4].item() == pytest.approx(0, abs=0.1)


def test_grad_factor_multiplies_the_gradient_once_a_layer():
    """Layer l of L lies behind L - l factors; the last layer's gradient is untouched."""
    bits = torch.rand(8, 17, generator=torch.Generator().manual_seed(0)) < 0.5
    gradients = []
    for factor in (1.0, 2.0):
        network = make(estimator=Estimator("none", 1.0, False, grad_factor=factor)).double().train()
        network(bits)[:, 0].sum().backward()
        gradients.append([logits.grad for logits in network.logits])
    for layer, (plain, scaled) in enumerate(zip(*gradients, strict=True)):
        torch.testing.assert_close(scaled, plain * 2.0 ** (2 - layer))


def test_state_dict_round_trip_restores_the_next_sample():
    network = make().train()
    bits = torch.rand(6, 17) < 0.5
    network(bits)
    copy = make(seed=99)
    copy.noise_seed = network.noise_seed
    copy.load_state_dict(network.state_dict())
    assert torch.equal(copy.train()(bits), network(bits))
