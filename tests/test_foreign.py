"""Nets of difflogic and torchlogix: their gate numbers, import, export, and refusals."""

import importlib.util
import json

import numpy as np
import pytest
import torch

import lgn
from analysis.records import read_run_json
from circuits import foreign
from lgn import cli
from lgn.errors import LgnError
from lgn.methods import Estimator
from lgn.network import LogicNetwork

PIXELS, CLASSES, WIDTH = 64, 10, 40

TABLE = "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1010 1011 1100 1101 1110 1111"  # fmt: skip
"""By hand from the tables in difflogic/functional.py and torchlogix/functional.py: ids 0 to 15 for ab = 00 01 10 11."""


def layers(depth=2, width=WIDTH, seed=0):
    """Random (weights, indices) in these libraries' form."""
    draw = torch.Generator().manual_seed(seed)
    shape = [(PIXELS if layer == 0 else width) for layer in range(depth)]
    return [
        (torch.randn(width, 16, generator=draw), torch.randint(inputs, (2, width), generator=draw))
        for inputs in shape
    ]


def difflogic(net):
    """Stored as in docs/circuits.md: indices are a pair, weights a parameter."""
    state = {}
    for place, (weights, indices) in enumerate(net):
        state[f"{place}.weights"] = torch.nn.Parameter(weights)
        state[f"{place}.indices"] = (indices[0], indices[1])
    return state


def torchlogix(net):
    state = {}
    for place, (weights, indices) in enumerate(net):
        state[f"{place}.weight"], state[f"{place}.connections.indices"] = weights, indices
    return state


def by_hand(net, bits):
    """Classes of (n, pixels) zeros and ones, a gate at a time by TABLE."""
    tables = TABLE.split()
    values = bits.astype(int)
    for weights, indices in net:
        gates = weights.argmax(-1).tolist()
        columns = [
            [int(tables[gate][2 * row[a] + row[b]]) for row in values]
            for gate, a, b in zip(gates, *indices.tolist(), strict=True)
        ]
        values = np.array(columns).T
    return values.reshape(len(values), CLASSES, -1).sum(-1).argmax(-1)


@pytest.mark.parametrize("written", [difflogic, torchlogix])
def test_a_net_of_theirs_becomes_a_record_that_classifies_as_it_did(written, tmp_path, capsys):
    net, images = layers(), np.random.default_rng(0).integers(0, 17, (50, PIXELS), dtype=np.uint8)
    torch.save(written(net), tmp_path / "net.pt")
    record = tmp_path / "record"
    words = ["import", str(tmp_path / "net.pt"), "dataset=digits", "thresholds=1", "--output", str(record)]
    assert cli.main(words) == 0
    assert lgn.load(record).predict(images).tolist() == by_hand(net, images > 8).tolist()
    assert json.loads((record / "run.json").read_text())["imported"]["file"] == "net.pt"
    assert (
        cli.main(["evaluate", str(record)])
        == cli.main(["export", str(record), "--output", str(tmp_path / "a.v")])
        == 0
    )
    with pytest.raises(LgnError, match="status: 'imported'; allowed: completed"):
        read_run_json(record / "run.json")  # Nobody knows how it was trained.
    assert cli.main(words) == 2  # What is there stays.
    assert "holds files; allowed: a folder that is empty or not there" in capsys.readouterr().err
    ours = tmp_path / "ours.pt"
    assert cli.main(["export", str(record), "--format", "torchlogix", "--output", str(ours)]) == 0
    for (weights, indices), (again, wiring) in zip(net, foreign.read_layers(ours), strict=True):
        assert torch.equal(weights, again) and torch.equal(indices, wiring)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, "layers of widths none; allowed: one width"),
        (difflogic(layers())["0.weights"], "cannot be read as torch's tensors by name"),
        ({"0.weights": torch.zeros(9, 16)}, r"layer 0\.: wiring: missing; allowed: \(2, 9\)"),
        ({"0.weight": torch.zeros(9, 4)}, r"layer 0\.: logits: \(9, 4\); allowed: \(9, 16\)"),
        (torchlogix(layers()) | {"thresholds": torch.ones(3)}, "thresholds: is no layer's; allowed"),
        (difflogic([*layers(1), *layers(1, 20)]), "widths 40, 20; allowed"),
        ({"0.weights": LogicNetwork}, "cannot be read as torch's tensors by name"),
        (b"no file of torch's", "cannot be read as torch's tensors by name"),
    ],
    ids=["empty", "tensor", "no_wiring", "other_parameters", "more", "widths", "pickle", "bytes"],
)  # fmt: skip
def test_what_is_no_net_of_one_width_is_refused_in_a_line(state, said, tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(state) if isinstance(state, bytes) else torch.save(state, path)
    with pytest.raises(LgnError, match=said) as error:
        foreign.read_layers(path)
    assert "\n" not in str(error.value)


def test_wiring_that_reads_what_is_not_there_and_a_stated_width_are_refused(tmp_path, capsys):
    net = layers()
    net[0][1][0, 0] = PIXELS
    torch.save(difflogic(net), tmp_path / "net.pt")
    words = [
        "import",
        str(tmp_path / "net.pt"),
        "dataset=digits",
        "thresholds=1",
        "--output",
        str(tmp_path / "record"),
    ]
    assert cli.main(words) == cli.main([*words, "width=50"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "lgn: wiring_0: reads inputs 0 to 64; allowed: 0 to 63"
    assert second.startswith("lgn: width: 50 is stated; allowed: to leave it to ")
    assert not (tmp_path / "record").exists()


@pytest.mark.skipif(not importlib.util.find_spec("torchlogix"), reason="torchlogix is not installed")
def test_torchlogix_itself_reads_ours_and_gives_the_same_scores(tmp_path):
    from benchmarks.implementations.torchlogix import build_model

    shape = dict(
        inputs=PIXELS, classes=CLASSES, depth=3, width=WIDTH, wiring="random", init="gaussian", init_scale=1.0
    )
    estimator = Estimator("none", 1.0, False)
    ours, other = (
        LogicNetwork(**shape, init_bias=0.0, group_temperature=1.0, estimator=estimator, seed=seed).eval()
        for seed in (0, 1)
    )
    (tmp_path / "net.pt").write_bytes(foreign.torchlogix_state(ours))
    theirs = build_model(other, "dlgn").eval()
    theirs.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    bits = torch.rand(200, PIXELS) < 0.5
    assert torch.equal(theirs(bits.float()), ours(bits))
