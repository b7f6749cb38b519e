"""Networks on fast kernels under torch's own optimisers, against the same networks on autograd."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch

from lgn.errors import LgnError
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


def network(estimator, seed=0, width=70):
    return LogicNetwork(
        inputs=36, classes=10, depth=3, width=width, wiring="random", init="gaussian", init_scale=1.0,
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


def small(estimator=METHODS[0], seed=0):
    return network(estimator, seed, width=20)


def fast_small(backend, estimator=METHODS[0], threads=1):
    """A network that has been called once, so that its engine exists."""
    if backend == "triton":
        pytest.importorskip("triton")
    module = accelerate(small(estimator), backend, threads=threads)
    module.eval()(batch(8)[0])
    return module.train()


def with_estimator(**changes):
    def change(module):
        module.estimator = replace(module.estimator, **changes)

    return change


def set_all(**attributes):
    def change(module):
        for name, value in attributes.items():
            setattr(module, name, value)

    return change


def give_other_logits(module):
    module.logits[1] = torch.nn.Parameter(module.logits[1].detach().flip(0).clone())


def turn_wiring(module):
    module.wiring(1)[:] = module.wiring(1).flip(1)


CHANGES = {
    "state": lambda module: module.load_state_dict(small(seed=7).state_dict()),
    "assigned state": lambda module: module.load_state_dict(
        small(seed=7).to(module.logits[0].device).state_dict(), assign=True
    ),
    "wiring in place": turn_wiring,
    "wiring anew": lambda module: set_all(wiring_2=module.wiring_2.flip(1).clone())(module),
    "logits anew": give_other_logits,
    "logits back and forth": lambda module: module.double().float(),
    "frozen layer": lambda module: module.logits[1].requires_grad_(False),
    "temperature": with_estimator(temperature=2.0),
    "noise": with_estimator(noise="logistic"),
    "straight-through": with_estimator(straight_through=False),
    "gradient": with_estimator(grad_factor=3.0),
    "group_temperature": set_all(group_temperature=0.5),
    "seeds": set_all(noise_seed=-5, evaluation_noise_seed=6),
    "iteration": lambda module: module.iteration.fill_(1000),
}


def assert_same(fast, plain):
    """Scores of both paths in evaluation, then a step's scores and gradients."""
    bits, _ = batch(8)
    for mode in ("discrete", "train_mode"):
        ours, theirs = (module.eval()(bits, mode, 3).detach().cpu() for module in (fast, plain))
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for module in (fast, plain):
        module.train().zero_grad()
        module.scores = module(bits)
        (module.scores * torch.arange(10.0, device=module.scores.device)).sum().backward()
    torch.testing.assert_close(fast.scores.cpu(), plain.scores, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(fast.logits, plain.logits, strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        if ours.grad is not None:
            error = (ours.grad.cpu() - theirs.grad).abs().max() / theirs.grad.abs().max()
            assert error < 1e-4


SLOW = ("state", "logits anew", "straight-through", "group_temperature")  # Triton's interpreter is.


@pytest.mark.parametrize(
    ("backend", "change"), [("numba", name) for name in CHANGES] + [("triton", name) for name in SLOW]
)
def test_what_changes_in_the_network_is_seen(backend, change):
    plain, fast = small(), fast_small(backend)
    for module in (plain, fast):
        CHANGES[change](module)
    assert_same(fast, plain)


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda module: pickle.loads(pickle.dumps(module))}


@pytest.mark.parametrize(
    ("backend", "threads", "copied"),
    [("numba", 1, "deepcopy"), ("numba", 2, "pickle"), ("triton", 1, "deepcopy")],
)
def test_a_copy_is_accelerated_and_on_its_own(backend, threads, copied):
    plain, fast = small(), fast_small(backend, threads=threads)
    twin = COPIES[copied](fast)
    with torch.no_grad():
        twin.logits[0].zero_()
    twin(batch(8)[0])
    assert twin.compute.engine.network is twin and twin.compute.engine.name == backend
    assert_same(fast, plain)


def to_float64_parameter(module):
    module.logits[1] = torch.nn.Parameter(module.logits[1].detach().double())


REFUSED = {
    "double": lambda module: module.double(),
    "half": lambda module: module.half(),
    "one of float64": to_float64_parameter,
    "another shape": lambda module: set_all(logits=torch.nn.ParameterList([torch.zeros(1, 16)] * 3))(module),
    "another device": lambda module: module.logits.to("meta"),
    "wiring of more inputs": lambda module: module.wiring(0).add_(36),
    "unknown noise": with_estimator(noise="cauchy"),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("backend", ["numba", "triton"])
def test_what_kernels_cannot_take_over_is_refused(backend, change):
    fast = fast_small(backend)
    change(fast)
    for module in (fast.train(), fast.eval()):
        with pytest.raises(LgnError, match=r"^(logits\.|wiring_0|noise)[^\n]*; allowed[^\n]*$"):
            module(batch(8)[0])
    assert int(fast.iteration) == 0


@pytest.mark.parametrize("change", ["wiring in place", "temperature", "straight-through", "seeds"])
def test_a_change_between_forward_and_backward_is_refused(change):
    fast = fast_small("numba")
    scores = fast(batch()[0])
    CHANGES[change](fast)
    with pytest.raises(LgnError, match="^backward: wiring, estimator or noise seed have changed"):
        scores.sum().backward()


@pytest.mark.parametrize("training", [False, True])
def test_bits_between_0_and_1_or_with_a_gradient_are_refused(training):
    fast = fast_small("numba", METHODS[1]).train(training)
    bits = batch()[0].float()
    for wrong, message in (
        (bits * 0.7, "bits: 0.7 on accelerated"),
        (bits.requires_grad_(), "bits: require a"),
    ):
        with pytest.raises(LgnError, match=f"^{message}"):
            fast(wrong)
    with torch.no_grad():
        assert fast(bits).shape == (50, 10)


@pytest.mark.parametrize("columns", [35, 37, 72])
@pytest.mark.parametrize("backend", ["numba", "triton"])
def test_bits_of_another_width_are_refused(backend, columns):
    """Such calls once wrote beyond the kernels' buffers."""
    fast = fast_small(backend)
    for module in (fast.train(), fast.eval()):
        with pytest.raises(LgnError, match="^bits: shape"):
            module(torch.zeros(500, columns, dtype=torch.bool))


@pytest.mark.parametrize("backend", ["numba", "triton"])
def test_no_images_have_no_scores_and_a_gradient_of_0(backend):
    fast = fast_small(backend)
    none = batch(0)[0]
    assert fast.eval()(none, "soft").shape == (0, 10)
    fast.train()(none).sum().backward()
    assert all(logits.grad.eq(0).all() for logits in fast.logits)
