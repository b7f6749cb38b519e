"""The live circuit and packed inference against the network's own discrete scores."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lgn
from lgn import cli
from lgn.data.encoding import encode
from lgn.gates import GATES, NAMES, TRUTH_TABLE
from lgn.inference import DiscreteNetwork
from lgn.kernels.circuit import live_circuit
from lgn.methods import Estimator
from lgn.network import LogicNetwork
from lgn.records import read_run
from lgn.restore import restore

LEVELS = np.repeat(np.array([[60], [128], [200]], np.uint8), 12, axis=1)


def network(width, depth, seed=0, **overrides):
    keys = dict(
        inputs=LEVELS.size, classes=10, depth=depth, width=width, wiring="random", init="gaussian", init_scale=1.0,
        init_bias=0.0, group_temperature=1.0, estimator=Estimator("none", 1.0, True), seed=seed,
    )  # fmt: skip
    return LogicNetwork(**keys | overrides).eval()


def set_gates(net, layer, gates):
    with torch.no_grad():
        net.logits[layer].zero_()[torch.arange(net.width), torch.as_tensor(gates)] = 1.0


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 12), dtype=np.uint8)


def reference_counts(net, pixels):
    with torch.no_grad():
        return net(torch.from_numpy(encode(pixels, LEVELS))).numpy()


def counts(net, pixels):
    discrete = DiscreteNetwork(net, LEVELS)
    return discrete.class_counts(discrete.pack(pixels)).T[: len(pixels)]


@given(
    width=st.integers(1, 30).map(lambda group: 10 * group),
    depth=st.integers(1, 6),
    count=st.integers(1, 1100),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_counts_are_the_networks_at_any_shape(width, depth, count, seed):
    """Random gates at small widths: constants that spread, inputs read twice, classes without a live neuron."""
    net, pixels = network(width, depth, seed), images(count, seed)
    assert (counts(net, pixels) == reference_counts(net, pixels)).all()


@pytest.mark.parametrize("gate", range(GATES), ids=NAMES)
def test_every_gate_behind_a_layer_of_every_gate(gate):
    net, pixels = network(160, 2), images(600)
    set_gates(net, 0, np.arange(160) % GATES)
    set_gates(net, 1, np.full(160, gate))
    assert (counts(net, pixels) == reference_counts(net, pixels)).all()


@pytest.mark.parametrize("group", [7, 8, 9, 255, 256, 1000])
def test_counters_hold_as_many_ones_as_a_class_has_neurons(group):
    net = network(10 * group, 1)
    set_gates(net, 0, np.full(10 * group, NAMES.index("a")))
    bright = np.full((3, 12), 255, np.uint8)
    assert (counts(net, bright) == group).all()


def test_a_network_of_constants_has_no_live_neuron():
    net = network(60, 3)
    set_gates(net, 2, np.repeat([NAMES.index("true"), NAMES.index("false")], 30))
    discrete = DiscreteNetwork(net, LEVELS)
    assert discrete.neurons == 0
    assert (counts(net, images(20)) == [6] * 5 + [0] * 5).all()
    assert (discrete.predict(images(20)) == 0).all()


def test_live_neurons_are_those_whose_flip_can_reach_an_output():
    """Against brute force: a neuron that some output depends on through truth tables that constants have reduced."""
    net = network(20, 4, seed=3)
    circuit = live_circuit(net)
    gates = [logits.argmax(-1).numpy() for logits in net.logits]
    constant = {}
    needed = set()

    def value(layer, place):
        """0 or 1 where constant, else None; by the definition, one gate at a time."""
        if layer < 0:
            return None
        if (layer, place) not in constant:
            table = TRUTH_TABLE[gates[layer][place]].reshape(2, 2)
            first, second = net.wiring(layer)[:, place].tolist()
            possible = {
                table[a, b]
                for a in (0, 1)
                for b in (0, 1)
                if value(layer - 1, first) in (None, a)
                and value(layer - 1, second) in (None, b)
                and (first != second or a == b)
            }
            constant[layer, place] = possible.pop() if len(possible) == 1 else None
        return constant[layer, place]

    def visit(layer, place):
        if layer < 0 or (layer, place) in needed or value(layer, place) is not None:
            return
        needed.add((layer, place))
        table = TRUTH_TABLE[gates[layer][place]].reshape(2, 2)
        first, second = net.wiring(layer)[:, place].tolist()
        allowed = [[v for v in (0, 1) if value(layer - 1, wire) in (None, v)] for wire in (first, second)]
        cells = [(a, b) for a in allowed[0] for b in allowed[1] if first != second or a == b]
        if first == second:
            visit(layer - 1, first)
            return
        if any(table[0, b] != table[1, b] for _, b in cells if len(allowed[0]) == 2):
            visit(layer - 1, first)
        if any(table[a, 0] != table[a, 1] for a, _ in cells if len(allowed[1]) == 2):
            visit(layer - 1, second)

    for place in range(20):
        visit(3, place)
    assert [len(layer.gates) for layer in circuit.layers] == [
        len([1 for at, _ in needed if at == layer]) for layer in range(4)
    ]


def test_ties_go_to_the_first_class_and_no_images_to_none():
    net = network(200, 2)
    pixels = images(1500)
    discrete = DiscreteNetwork(net, LEVELS)
    assert (discrete.predict(pixels) == reference_counts(net, pixels).argmax(1)).all()
    assert discrete.predict(pixels[:0]).shape == (0,)


def test_lgn_gives_its_four_names_and_is_light_until_it_is_asked(tmp_path):
    """In a fresh process, since torch is in this one."""
    code = (
        "import sys, lgn; light = not {'torch', 'numba'} & set(sys.modules); "
        "from lgn import DiscreteNetwork, LogicNetwork, accelerate, load; "
        "assert light and not hasattr(lgn, 'nothing')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_record_is_a_classifier_in_a_line(tmp_path):
    settings = dict(dataset="digits", thresholds=2, depth=2, width=50, method="glgn", temperature=1, seed=3)
    settings |= dict(group_temperature=1, batch_size=8, iterations=2, evaluations=2)
    assert (
        cli.main(["train", *(f"{key}={value}" for key, value in settings.items()), "--output", str(tmp_path)])
        == 0
    )
    classifier, trained = lgn.load(tmp_path), restore(tmp_path, tmp_path)
    pixels, labels = trained.splits["test"]
    found = (classifier.predict(pixels) == labels).mean()
    assert found == pytest.approx(read_run(tmp_path)["final"]["test_accuracy_discrete"], abs=1e-6)
    assert classifier.run == trained.run and classifier.network.depth == 2
