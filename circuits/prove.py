"""Checks the exported files with other tools: they must agree with packed evaluation, or with each other.

Simulation checks the given images. `cec`, ABC's equivalence check by SAT, checks every input.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from circuits import export
from circuits.classifier import neurons, pixel_words, unpacked_classes
from circuits.netlist import Netlist
from circuits.specification import specification
from lgn.errors import LgnError
from lgn.kernels.discrete import DiscreteNetwork
from lgn.restore import Trained

PACKAGES = {
    "iverilog": "iverilog", "verilator": "verilator", "yosys": "yosys", "abc": "berkeley-abc", "gcc": "gcc"
}  # fmt: skip
"""Tool -> its Debian package."""

LARGE = 20_000
"""Gates beyond which Verilator simulates, not Icarus Verilog: it compiles for half a minute, then it is much faster."""

SPECIFICATION = "the network neuron by neuron, counted by +"


@dataclass(frozen=True)
class Check:
    """One check. by: "simulation", on `images` test images, or "SAT", for all inputs.

    agrees: None if the tool is missing or gave up. mismatches: number of images with another class.
    """

    tool: str
    by: str
    agrees: bool | None
    details: str
    images: int | None = None
    mismatches: int | None = None


def tool(name: str) -> str | None:
    """A tool's path; None if it is not installed. Debian calls ABC berkeley-abc."""
    return shutil.which("berkeley-abc" if name == "abc" else name) or shutil.which(name)


def prove(
    trained: Trained, netlist: Netlist, folder: Path, header: str, simulated: int | None = None
) -> Iterator[Check]:
    """Yields all checks of a record's net. A check without its tool names the missing package.

    netlist: the net's classifier(). Images are the test split; packed evaluation gives their expected classes. folder:
    for the files, which are not deleted. header: of exported files. simulated: number of images for the simulator
    (default: all): iverilog, or verilator for a net of more than LARGE gates.
    """
    network, thresholds, images = trained.network, trained.thresholds, trained.splits["test"][0]
    classes = DiscreteNetwork(network, thresholds).predict(images)
    for kind in ("verilog", "blif", "aiger", "c"):
        (folder / f"net{export.ENDINGS[kind]}").write_bytes(export.written(netlist, kind, header))
    (folder / "neurons.aig").write_bytes(export.aiger(neurons(network, thresholds), ""))
    (folder / "specification.v").write_text(specification(network, thresholds), encoding="utf-8")
    (folder / "layers.v").write_text(specification(network, thresholds, counted=False), encoding="utf-8")
    simulator = "verilator" if len(netlist.gates) > LARGE else "iverilog"
    if tool(simulator):
        write_bench(images[:simulated], netlist, folder)
        for source, what in (("net.v", "the Verilog file"), ("specification.v", SPECIFICATION)):
            yield _simulated(simulator, source, what, classes[:simulated], folder)
    else:
        yield _missing(simulator)
    yield _compiled(images, classes, netlist, folder) if tool("gcc") else _missing("gcc")
    if not tool("abc"):
        yield _missing("abc")
        return
    yield _equivalent("abc", "net.blif", "net.aig", "the BLIF file and the AIGER file", folder)
    if not tool("yosys"):
        yield _missing("yosys")
        return
    _from_verilog("net.v", folder)
    yield _equivalent("yosys", "net_yosys.aig", "net.aig", "the Verilog file and the AIGER file", folder)
    # Up to the counts: SAT needs most time to compare two kinds of adders.
    _from_verilog("layers.v", folder)
    what = "the network neuron by neuron and the circuit, up to the counts"
    yield _equivalent("yosys", "layers_yosys.aig", "neurons.aig", what, folder)


def _from_verilog(source: str, folder: Path) -> None:
    """Writes <name>_yosys.aig: a Verilog file as yosys reads it."""
    script = _TO_AIGER.format(source=source, made=source.replace(".v", "_yosys.aig"))
    command([tool("yosys"), "-q", "-p", script], folder)


_TO_AIGER = (
    "read_verilog {source}; hierarchy -top net; simplemap; techmap; aigmap; write_aiger -symbols {made}"
)
"""Nothing is optimised, which takes yosys longest, for ABC shares equal gates anyway."""


def _missing(name: str) -> Check:
    return Check(name, "", None, f"is not here: Debian's package {PACKAGES[name]}")


def command(words: list, folder: Path) -> str:
    """Runs another tool in a folder and returns its output. Raises LgnError if it fails."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LgnError(
            f"{words[0]}: ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}"
        )
    return done.stdout


def printed(pattern: str, text: str, by: str) -> str:
    """The first group of a pattern in what a tool printed. Raises LgnError if it is not there."""
    found = re.search(pattern, text)
    if found is None:
        raise LgnError(f"{by}: printed nothing like {pattern!r}; allowed: a version that does")
    return found[1]


def _simulated(simulator: str, source: str, what: str, classes: np.ndarray, folder: Path) -> Check:
    """A simulator on every image: a test bench reads pixels and prints classes."""
    path = tool(simulator)
    if simulator == "verilator":
        compiled = [path, *_VERILATED, "-Mdir", "verilated", "-o", "bench", "bench.v", source]
        ran = [str(folder / "verilated" / "bench")]
    else:
        compiled, ran = [path, "-g2005", "-o", "bench.vvp", source, "bench.v"], ["vvp", "bench.vvp"]
    command(compiled, folder)
    found = [line for line in command(ran, folder).split() if line.isdecimal()]
    return _counted(simulator, what, np.array(found, dtype=np.int64), classes)


# The optimisation that is switched off gives wrong values before version 5.022 (verilator/verilator#4059, #4857).
_VERILATED = ["--binary", "-Wno-fatal", "-Wno-lint", "-fno-const-bit-op-tree", "--top-module", "bench"]
_VERILATED += ["--output-split", "20000", "--output-split-cfuncs", "500"]
_VERILATED += [word for kind in ("FAST", "SLOW", "GLOBAL") for word in ("-MAKEFLAGS", f"OPT_{kind}=-O0")]
"""Small C++ files and functions, not optimised: compiling takes longest."""


def _counted(tool: str, what: str, found: np.ndarray, classes: np.ndarray) -> Check:
    wrong = int((found != classes).sum()) if found.shape == classes.shape else len(classes)
    said = f"{what}: {wrong} of {len(classes)} images differ"
    return Check(tool, "simulation", wrong == 0, said, len(classes), wrong)


def write_bench(images: np.ndarray, netlist: Netlist, folder: Path) -> None:
    """Writes bench.v and images.hex beside net.v: the bench applies every image and prints one class per line."""
    width, places = len(netlist.inputs), len(netlist.outputs)
    lines = [bytes(image[::-1].tolist()).hex() for image in images]
    (folder / "images.hex").write_text("\n".join([*lines, ""]), encoding="utf-8")
    ports = [f".{name}(x[{place}])" for place, name in enumerate(netlist.inputs)]
    ports += [f".{name}(y[{place}])" for place, name in enumerate(netlist.outputs)]
    bench = f"""module bench;
  reg [{width - 1}:0] images [0:{len(images) - 1}];
  reg [{width - 1}:0] x;
  wire [{places - 1}:0] y;
  integer i;
  net tested({export.PORTS.join(ports)});
  initial begin
    $readmemh("images.hex", images);
    for (i = 0; i < {len(images)}; i = i + 1) begin
      x = images[i];
      #1 $display("%0d", y);
    end
  end
endmodule
"""
    (folder / "bench.v").write_text(bench, encoding="utf-8")


_MAIN = """
#include <stdio.h>
void net(const uint64_t *x, uint64_t *y);
int main(void) {
  static uint64_t x[%d], y[%d];
  while (fread(x, sizeof x, 1, stdin) == 1) { net(x, y); fwrite(y, sizeof y, 1, stdout); }
  return 0;
}
"""


def _compiled(images: np.ndarray, classes: np.ndarray, netlist: Netlist, folder: Path) -> Check:
    """Compiles the C file and runs it on 64 images at a time."""
    source = (folder / "net.c").read_text(encoding="utf-8") + _MAIN % (
        len(netlist.inputs),
        len(netlist.outputs),
    )
    (folder / "main.c").write_text(source, encoding="utf-8")
    command([tool("gcc"), "-O1", "-std=c11", "main.c", "-o", "main"], folder)
    words = np.ascontiguousarray(pixel_words(images).T)
    printed = subprocess.run([folder / "main"], input=words.tobytes(), capture_output=True, check=True).stdout
    rows = np.frombuffer(printed, "<u8").reshape(-1, len(netlist.outputs)).T
    found = unpacked_classes(dict(zip(netlist.outputs, rows, strict=True)), len(images))
    return _counted("gcc", "the C file", found, classes)


def _equivalent(by: str, one: str, other: str, what: str, folder: Path) -> Check:
    printed = command([tool("abc"), "-c", f"cec -n {one} {other}"], folder)
    # ABC may give up: then neither line is printed.
    agrees = True if "Networks are equivalent" in printed else False if "NOT EQUIVALENT" in printed else None
    return Check(by, "SAT", agrees, f"{what}, by ABC's cec")
