"""Circuits: every gate and simplification against its truth table, every exported file against other tools."""

import csv
import io
import itertools
import shutil

import numpy as np
import pytest

from circuits import classifier, cost, export, place, prove, use
from circuits.netlist import Netlist
from circuits.specification import specification
from lgn import cli
from lgn.data.encoding import encode
from lgn.errors import LgnError
from lgn.gates import PASS_A, TRUTH_TABLE
from lgn.kernels.discrete import DiscreteNetwork
from lgn.methods import Estimator
from lgn.network import LogicNetwork
from lgn.restore import Trained

PIXELS, CLASSES = 12, 5


def make(depth=4, width=60, classes=CLASSES, seed=0):
    return LogicNetwork(
        inputs=2 * PIXELS, classes=classes, depth=depth, width=width, wiring="random", init="gaussian", init_scale=1,
        init_bias=0, group_temperature=1, estimator=Estimator("none", 1.0, False), seed=seed,
    )  # fmt: skip


THRESHOLDS = np.stack([np.full(PIXELS, 80), np.full(PIXELS, 160)]).astype(np.uint8)
IMAGES = np.random.default_rng(0).integers(0, 256, (150, PIXELS), dtype=np.uint8)


@pytest.mark.parametrize("gate", range(16))
def test_a_gate_of_any_literals_is_its_truth_table(gate):
    """Inputs are pixels, complements, constants, or one input twice."""
    words = classifier.packed(np.array(list(itertools.product((0, 1), repeat=2)), np.uint8).T)
    netlist = Netlist("ab")
    literals = [0, 1, 2, 3, 4, 5]
    values = {0: np.zeros(4, int), 2: np.array([0, 0, 1, 1]), 4: np.array([0, 1, 0, 1])}
    values |= {literal + 1: 1 - value for literal, value in values.items()}
    for a, b in itertools.product(literals, repeat=2):
        netlist.outputs[f"{a}_{b}"] = netlist.gate(gate, a, b)
    for name, found in netlist.live().evaluate(words).items():
        a, b = map(int, name.split("_"))
        expected = TRUTH_TABLE[gate][2 * values[a] + values[b]]
        assert [int(found[0]) >> t & 1 for t in range(4)] == expected.tolist(), name


def test_what_is_equal_is_there_once_and_what_nobody_reads_not_at_all():
    netlist = Netlist("ab")
    a, b = netlist.input(0), netlist.input(1)
    assert netlist.gate(1, a, b) == netlist.gate(1, b, a) == netlist.gate(14, a, b) ^ 1
    assert netlist.gate(8, a ^ 1, b ^ 1) == netlist.gate(1, a, b)  # De Morgan
    netlist.differ(a, b)
    netlist.outputs["y"] = netlist.both(a, b)
    assert len(netlist.gates) == 2 and len(netlist.live().gates) == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "shape", [dict(), dict(depth=1), dict(width=9, classes=3), dict(classes=2), dict(classes=1)]
)
def test_the_classifier_is_packed_evaluation_on_every_image(shape, seed):
    network = make(**shape, seed=seed)
    found = classifier.classifier(network, THRESHOLDS).evaluate(classifier.pixel_words(IMAGES))
    expected = DiscreteNetwork(network, THRESHOLDS).predict(IMAGES)
    assert classifier.unpacked_classes(found, len(IMAGES)).tolist() == expected.tolist()


def test_counting_and_the_first_of_the_most_are_right_for_every_input():
    netlist = Netlist("abcdef")
    inputs = [netlist.input(place) for place in range(6)]
    counts = [classifier._count(netlist, inputs[:3]), classifier._count(netlist, inputs[3:])]
    netlist.outputs = {
        f"class_{bit}": lit for bit, lit in enumerate(classifier._first_of_most(netlist, counts))
    }
    rows = np.array(list(itertools.product((0, 1), repeat=6)), np.uint8)
    found = classifier.unpacked_classes(netlist.evaluate(classifier.packed(rows.T)), 64)
    assert found.tolist() == (rows[:, 3:].sum(1) > rows[:, :3].sum(1)).astype(int).tolist()


def test_other_peoples_tools_find_the_files_to_be_the_network(tmp_path):
    missing = [name for name in ("iverilog", "yosys", "abc", "gcc") if not prove.tool(name)]
    network = make()
    trained = Trained(None, network, {"test": (IMAGES, None)}, THRESHOLDS)
    netlist = classifier.classifier(network, THRESHOLDS)
    verdicts = list(prove.prove(trained, netlist, tmp_path, "whose net"))
    assert "whose net" in (tmp_path / "net.v").read_text()
    first = next(prove.prove(trained, netlist, tmp_path, "", simulated=7))
    assert first.tool in missing or (first.agrees and first.images == 7)
    assert all(verdict.agrees for verdict in verdicts if verdict.tool not in missing), verdicts
    if missing:
        pytest.skip(f"not here, and so not asked: {', '.join(prove.PACKAGES[name] for name in missing)}")
    simulation, sat = ("simulation", 150, 0), ("SAT", None, None)
    assert [(v.tool, (v.by, v.images, v.mismatches)) for v in verdicts] == [
        ("iverilog", simulation), ("iverilog", simulation), ("gcc", simulation), ("abc", sat), ("yosys", sat),
        ("yosys", sat),
    ]  # fmt: skip


@pytest.mark.skipif(not shutil.which("verilator"), reason="no verilator here (Debian's package verilator)")
def test_a_large_net_is_simulated_by_verilator(tmp_path, monkeypatch):
    monkeypatch.setattr(prove, "LARGE", 0)
    network = make()
    trained = Trained(None, network, {"test": (IMAGES, None)}, THRESHOLDS)
    found = next(prove.prove(trained, classifier.classifier(network, THRESHOLDS), tmp_path, ""))
    assert (found.tool, found.agrees, found.images) == ("verilator", True, len(IMAGES))


def test_verilog_of_many_ports_has_no_long_line():
    """Verilator refuses lines of more than 40,000 words: 3,072 pixels have more ports than that."""
    network = make()
    text = export.verilog(classifier.classifier(network, THRESHOLDS), "") + specification(network, THRESHOLDS)
    assert max(len(line.split(",")) for line in text.splitlines()) <= PIXELS


def test_a_missing_tool_is_a_line_and_a_row(tmp_path, monkeypatch, capsys):
    settings = dict(dataset="digits", thresholds=2, depth=2, width=50, method="glgn", temperature=1, seed=3)
    settings |= dict(group_temperature=1, batch_size=8, iterations=2, evaluations=2)
    record = str(tmp_path / "record")
    assert (
        cli.main(["train", *(f"{key}={value}" for key, value in settings.items()), "--output", record]) == 0
    )
    monkeypatch.setattr(prove, "tool", lambda name: None)
    assert cli.main(["prove", record, "--table", str(tmp_path / "proof.csv")]) == 0
    assert "abc: not checked: is not here: Debian's package berkeley-abc" in capsys.readouterr().out
    assert cli.main(["prove", record, "--simulated", "0"]) == 2
    assert capsys.readouterr().err == "lgn: --simulated: 0; allowed: 1 to all of the test images\n"
    rows = list(csv.DictReader(io.StringIO((tmp_path / "proof.csv").read_text())))
    assert [(row["tool"], row["agrees"], row["mismatches"]) for row in rows] == [
        ("iverilog", "", ""), ("gcc", "", ""), ("abc", "", "")
    ]  # fmt: skip
    assert int(rows[0]["gates"]) > 0


def test_a_c_file_of_many_parts_computes_every_gate(tmp_path):
    """Compile time grows with the square of a function's length."""
    if not prove.tool("gcc"):
        pytest.skip("no gcc here")
    network = make(depth=8, width=120)
    netlist = classifier.classifier(network, THRESHOLDS)
    (tmp_path / "net.c").write_text(export.c(netlist, ""))
    assert len(netlist.gates) > 3 * export.PART
    assert all(part.count("\n  g[") <= export.PART for part in (tmp_path / "net.c").read_text().split("void"))
    classes = DiscreteNetwork(network, THRESHOLDS).predict(IMAGES)
    assert prove._compiled(IMAGES, classes, netlist, tmp_path).agrees


@pytest.mark.skipif(not shutil.which("iverilog"), reason="no iverilog here (Debian's package iverilog)")
def test_a_wrong_circuit_is_found_out(tmp_path):
    network = make()
    classes = DiscreteNetwork(network, THRESHOLDS).predict(IMAGES)
    prove.write_bench(IMAGES, classifier.classifier(network, THRESHOLDS), tmp_path)
    (tmp_path / "other.v").write_text(specification(make(seed=1), THRESHOLDS))
    found = prove._simulated("iverilog", "other.v", "another network", classes, tmp_path)
    assert found.agrees is False and 0 < found.mismatches <= found.images == len(IMAGES)


@pytest.mark.skipif(not shutil.which("iverilog"), reason="no iverilog here (Debian's package iverilog)")
@pytest.mark.parametrize("stages", [1, 3])
def test_registers_delay_the_classes_by_as_many_clocks_as_the_header_says(tmp_path, stages):
    network = make()
    netlist = classifier.classifier(network, THRESHOLDS)
    text = export.verilog(netlist, "a header", stages)
    clocks = int(text.split("by ")[1].split(" clocks")[0])
    assert clocks == (netlist.depth() - 1) // stages
    (tmp_path / "net.v").write_text(text)
    prove.write_bench(IMAGES, netlist, tmp_path)
    bench = (
        (tmp_path / "bench.v").read_text().replace("net tested(", "reg clk = 0;\n  net tested(.clk(clk), ")
    )
    bench = bench.replace(
        '#1 $display("%0d", y);',
        f'repeat ({clocks}) begin #1 clk = 1; #1 clk = 0; end #1 $display("%0d", y);',
    )
    (tmp_path / "bench.v").write_text(bench)
    classes = DiscreteNetwork(network, THRESHOLDS).predict(IMAGES)
    assert prove._simulated("iverilog", "net.v", "pipelined", classes, tmp_path).agrees


def test_every_format_names_its_header_and_its_neurons():
    netlist = classifier.gates_alone(make())
    for format in export.FORMATS:
        content = export.written(netlist, format, "run 7\naccuracy 0.9")
        assert b"accuracy 0.9" in content
        assert format in ("aiger", "c") or b"layer1_neuron" in content
    two = Netlist("ab")
    two.outputs["y"] = two.gate(14, 2, two.gate(6, 2, 4))
    assert export.formula(two, "y") == "~(a & (a ^ b))"


def test_silent_neurons_are_those_that_a_loop_finds():
    network = make(depth=3, width=20)
    bits = np.asarray(encode(IMAGES, THRESHOLDS))
    found = use.silent(network, bits)
    expected = DiscreteNetwork(network, THRESHOLDS).predict(IMAGES)
    for layer, neuron in [(0, 3), (1, 7), (2, 0), (2, 19)]:
        flipped = make(depth=3, width=20)
        flipped.logits[layer].data[neuron] = (
            flipped.logits[layer].data[neuron].flip(0)
        )  # Gate k becomes 15 - k.
        same = (DiscreteNetwork(flipped, THRESHOLDS).predict(IMAGES) == expected).all()
        assert same == found[layer, neuron], (layer, neuron)


def test_counts_fall_from_one_question_to_the_next():
    (found,) = use.run(make(), {"test": (IMAGES, None)}, THRESHOLDS, split="test")
    order = ["neurons", "reaching_an_output", "after_constants", "after_sharing"]
    assert [found[name] for name in order] == sorted((found[name] for name in order), reverse=True)
    assert found["unused"] > 0.9 * found["neurons"]  # Untrained logits: nearly all are above the threshold.
    if prove.tool("abc"):
        assert 0 < found["after_synthesis"] <= found["after_sharing"]
    else:
        assert found["after_synthesis"] is None


@pytest.mark.skipif(not prove.tool("abc"), reason="no ABC here (Debian's package berkeley-abc)")
def test_sat_finds_a_wrong_circuit_out(tmp_path):
    for seed, name in ((0, "one.aig"), (1, "other.aig")):
        (tmp_path / name).write_bytes(export.aiger(classifier.neurons(make(seed=seed), THRESHOLDS), ""))
    assert prove._equivalent("abc", "one.aig", "one.aig", "a net and itself", tmp_path).agrees is True
    assert prove._equivalent("abc", "one.aig", "other.aig", "two nets", tmp_path).agrees is False


@pytest.mark.parametrize(
    ("module", "measure", "by"),
    [
        (use, lambda net, folder: use.synthesised(net), "abc"),
        (cost, lambda net, folder: cost._abc_luts(folder), "abc"),
        (cost, lambda net, folder: cost._family("synth", folder), "yosys"),
    ],
)
def test_a_tool_that_prints_something_else_is_a_line(monkeypatch, tmp_path, module, measure, by):
    monkeypatch.setattr(module, "tool", lambda name: name)
    monkeypatch.setattr(module, "command", lambda words, folder: "no figures")
    (tmp_path / "cells.json").write_text('{"design": {"num_cells_by_type": {}}}')
    (tmp_path / "longest.txt").write_text("no figures")
    with pytest.raises(LgnError, match=f"^{by}: printed nothing like .*; allowed: "):
        measure(classifier.gates_alone(make()), tmp_path)


@pytest.mark.parametrize("here", [True, False])
def test_the_cost_of_a_net_is_a_row_with_blanks_for_missing_tools(monkeypatch, here):
    monkeypatch.setattr(cost, "SECONDS", 0.01)
    monkeypatch.setattr(cost, "FAMILIES", {"ice40": cost.FAMILIES["ice40"]})
    monkeypatch.setattr(cost, "STAGES", {"ice40_placed": 0})
    network, splits = make(), {"test": (IMAGES, None)}
    if not here:
        monkeypatch.setattr(cost, "tool", lambda name: None)
        monkeypatch.setattr(use, "tool", lambda name: None)
        monkeypatch.setattr(place, "tool", lambda name: None)
    (row,) = cost.run(network, splits, THRESHOLDS, split="test")
    netlist = classifier.classifier(network, THRESHOLDS)
    assert (row["gates"], row["levels"]) == (len(netlist.gates), netlist.depth())
    assert row["packed_images_per_second"] > 0
    missing = {name: here and prove.tool(name) is None for name in ("gcc", "abc", "yosys", "nextpnr-ice40")}
    for column, name in {
        "c_images_per_second": "gcc",
        "abc_gates": "abc",
        "lut6": "abc",
        "ice40_luts": "yosys",
        "ice40_placed_mhz": "nextpnr-ice40",
    }.items():
        assert (row[column] is None) == (not here or missing[name]), column
    if here and not any(missing.values()):
        assert row["lut6"] <= row["ice40_luts"] <= row["gates"]
        assert row["lut6_levels"] <= row["ice40_levels"] <= row["levels"]
        assert row["ice40_placed_mhz"] > 10 and row["ice40_placed_cycles"] == 1
        assert row["ice40_placed_cells"] >= row["ice40_luts"] + len(netlist.outputs)


def test_a_bypassed_layer_passes_first_inputs_on():
    network, labels = make(), np.random.default_rng(1).integers(0, CLASSES, len(IMAGES))
    rows = use.run_bypass(network, {"test": (IMAGES, labels)}, THRESHOLDS, split="test")
    assert [row["bypassed"] for row in rows] == list(range(network.depth + 1))
    for row in rows:
        passing = make()
        if row["bypassed"]:
            passing.logits[row["bypassed"] - 1].data[:, PASS_A] = 100
        found = DiscreteNetwork(passing, THRESHOLDS).predict(IMAGES)
        assert row["accuracy"] == (found == labels).mean()
    assert len({row["accuracy"] for row in rows}) > 1


@pytest.mark.skipif(not shutil.which("iverilog"), reason="no iverilog here (Debian's package iverilog)")
@pytest.mark.parametrize("stages", [0, 3])
def test_the_board_gives_the_class_as_many_clocks_after_the_pixels_as_is_said(tmp_path, stages):
    network, images, thresholds = make(), IMAGES[:20], THRESHOLDS.copy()
    thresholds[:, 0] = 127  # The highest bit alone says whether a pixel is above.
    netlist = classifier.classifier(network, thresholds)
    names = place.inputs_read(netlist)
    assert 2 < len(names) <= len(netlist.inputs) - 7
    places = [netlist.inputs.index(name) for name in names]
    bits = np.unpackbits(images, axis=1, bitorder="little")[:, places]
    (tmp_path / "bits.txt").write_text("\n".join("".join(map(str, row[::-1])) for row in bits))
    (tmp_path / "net.v").write_text(export.verilog(netlist, "", stages) + place.board(netlist, stages > 0))
    (tmp_path / "bench.v").write_text(f"""module bench;
  reg [{len(names) - 1}:0] images [0:19]; reg clk = 0; reg entering; wire [{len(netlist.outputs) - 1}:0] held;
  integer i, bit;
  board tested(clk, entering, held);
  initial begin
    $readmemb("bits.txt", images);
    for (i = 0; i < 20; i = i + 1) begin
      for (bit = {len(names) - 1}; bit >= 0; bit = bit - 1) begin entering = images[i][bit]; #1 clk = 1; #1 clk = 0; end
      repeat ({place.cycles(netlist, stages)}) begin #1 clk = 1; #1 clk = 0; end
      $display("%0d", held);
    end
  end
endmodule
""")
    classes = DiscreteNetwork(network, thresholds).predict(images)
    assert prove._simulated("iverilog", "net.v", "on a board", classes, tmp_path).agrees


@pytest.mark.parametrize("script", ["echo ERROR: no room left >&2; exit 1", "exec sleep 60"])
def test_a_net_that_is_not_placed_says_why(tmp_path, monkeypatch, capsys, script):
    (tmp_path / "nextpnr").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nextpnr").chmod(0o755)
    monkeypatch.setattr(place, "tool", lambda name: "true" if name == "yosys" else tmp_path / "nextpnr")
    monkeypatch.setattr(place, "SECONDS", 0.2 if "sleep" in script else 60)
    assert place.placed(classifier.classifier(make(), THRESHOLDS), 0, tmp_path) is None
    why = "was stopped after 0.2 s" if "sleep" in script else "ERROR: no room left"
    assert (
        "lgn: ice40, stages 0: not placed: nextpnr-ice40" in (said := capsys.readouterr().err) and why in said
    )
