"""Networks on fast kernels under torch's own optimisers, against the same networks on autograd."""

import pytest
import torch

from lgn.kernels.module import accelerate
from lgn.methods import Estimator
from lgn.network import LogicNetwork

METHODS = [Estimator("gumbel", 0.5, True), Estimator("gumbel", 0.5, False), Estimator("none", 1.0, True, 2.0)]
OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=1.0, momentum=0.9),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, foreach=True),
    "fused": lambda parameters: torch.optim.Adam(parameters, lr=0.01, fused=True),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.001),
}


def network(estimator, seed=0):
    return LogicNetwork(
        inputs=36, classes=10, depth=3, width=70, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=2.0, estimator=estimator, seed=seed,
    ).train()  # fmt: skip


def batch(count=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 36, generator=generator) < 0.5, torch.randint(
        0, 10, (count,), generator=generator
    )


def train(module, optimizer, steps):
    losses = []
    for step in steps:
        bits, labels = batch(seed=step)
        loss = torch.nn.functional.cross_entropy(module(bits), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("make_optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("estimator", METHODS, ids=str)
def test_any_optimiser_of_torch_trains_as_with_autograd(estimator, make_optimizer):
    plain, fast = network(estimator), accelerate(network(estimator))
    for module in (plain, fast):
        module.losses = train(module, make_optimizer(module.parameters()), range(6))
    assert fast.losses == pytest.approx(plain.losses, rel=1e-4)
    for ours, theirs in zip(fast.logits, plain.logits, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert int(fast.iteration) == 6


def test_a_state_dict_moves_between_plain_and_fast():
    fast = accelerate(network(METHODS[0]))
    optimizer = OPTIMIZERS["sgd"](fast.parameters())
    train(fast, optimizer, range(3))
    plain = network(METHODS[0])
    plain.load_state_dict(fast.state_dict())
    other = accelerate(network(METHODS[0]))
    other.load_state_dict(plain.state_dict())
    bits, _ = batch(200)
    assert torch.equal(other(bits), fast(bits))
    plain.load_state_dict(fast.state_dict())  # Training passes have moved the noise on.
    for module in (plain, fast):
        module.eval()
    for mode in ("discrete", "train_mode"):
        assert torch.equal(plain(bits, mode, 3), fast(bits, mode, 3))
    torch.testing.assert_close(plain(bits, "soft"), fast(bits, "soft"), rtol=1e-5, atol=1e-5)


def test_passes_between_forward_and_backward_change_no_gradient():
    plain, fast = network(METHODS[1]), accelerate(network(METHODS[1]))
    for module in (plain, fast):
        first, second = module(batch(seed=1)[0]), module(batch(seed=2)[0])
        module.eval()
        with torch.no_grad():
            module(batch(seed=3)[0], "soft")
        (first.square().sum() + second[:, 0].sum()).backward()
    for ours, theirs in zip(fast.logits, plain.logits, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_logits_changed_between_forward_and_backward_are_refused():
    fast = accelerate(network(METHODS[0]))
    scores = fast(batch()[0])
    with torch.no_grad():
        fast.logits[0].add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        scores.sum().backward()


def test_backend_torch_gives_the_own_forward_back():
    module = accelerate(accelerate(network(METHODS[0])), backend="torch")
    assert module.compute == module.reference_scores
