"""The cost of evaluating a net: images per second on one thread, gates after synthesis, LUTs of two FPGA families.

And the clock on one FPGA, of the net between registers and in a pipeline. It measures no energy, which needs a meter.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from circuits import export
from circuits.classifier import classifier, pixel_words
from circuits.netlist import Netlist
from circuits.place import placed
from circuits.prove import command, printed, tool
from circuits.use import synthesised
from lgn.kernels.discrete import DiscreteNetwork
from lgn.network import LogicNetwork

FAMILIES = {"xilinx": "synth_xilinx -flatten -noiopad -noclkbuf", "ice40": "synth_ice40 -flatten"}
"""Family -> yosys's synthesis command: six-input LUTs, four-input LUTs."""

STAGES = {"ice40_placed": 0, "ice40_pipelined": 8}
"""Column -> levels of gates between ranks of registers; 0: none inside the net."""

SECONDS = 0.5
"""Processor time for measuring each evaluation."""

_MAIN = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
void net(const uint64_t *x, uint64_t *y);
int main(int count, char **arguments) {
  long words = atol(arguments[1]), done = 0;
  uint64_t *x = malloc(words * %d * sizeof *x), y[%d];
  if (!x || fread(x, %d * sizeof *x, words, stdin) != (size_t)words) return 1;
  clock_t start = clock();
  do {
    for (long w = 0; w < words; w++) net(x + w * %d, y);
    done += words;
  } while (clock() - start < %f * CLOCKS_PER_SEC);
  printf("%%f\\n", 64.0 * done * CLOCKS_PER_SEC / (clock() - start));
  return 0;
}
"""


def run(network: LogicNetwork, splits: dict, thresholds: np.ndarray, *, split: str) -> list[dict]:
    """One row for a whole classifier, from pixels to the class. A value is None if its tool is not installed.

    splits: name -> (images (n, pixels) uint8, labels). Images per second of processor time: packed evaluation from
    images, and the C file from their bit planes, with gcc -O3.
    """
    netlist, images = classifier(network, thresholds), splits[split][0]
    row: dict[str, float | None] = {
        "packed_images_per_second": _packed_speed(DiscreteNetwork(network, thresholds), images)
    }
    row |= {"gates": len(netlist.gates), "levels": netlist.depth()}
    row["abc_gates"], row["abc_levels"] = synthesised(netlist) or (None, None)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("verilog", "aiger", "c"):
            (Path(folder) / f"net{export.ENDINGS[kind]}").write_bytes(export.written(netlist, kind, ""))
        row["c_images_per_second"] = _c_speed(netlist, images, Path(folder)) if tool("gcc") else None
        row["lut6"], row["lut6_levels"] = _abc_luts(Path(folder)) if tool("abc") else (None, None)
        for family, synthesis in FAMILIES.items():
            found = _family(synthesis, Path(folder)) if tool("yosys") else (None, None)
            row[f"{family}_luts"], row[f"{family}_levels"] = found
        for column, stages in STAGES.items():
            at = placed(netlist, stages, Path(folder)) or {}
            row |= {f"{column}_{name}": at.get(name) for name in ("mhz", "cells", "cycles")}
    return [row]


def _packed_speed(net: DiscreteNetwork, images: np.ndarray) -> int:
    net.predict(images)  # Kernels are compiled at the first call.
    start, done = time.process_time(), 0
    while (seconds := time.process_time() - start) < SECONDS:
        net.predict(images)
        done += len(images)
    return round(done / seconds)


def _c_speed(netlist: Netlist, images: np.ndarray, folder: Path) -> int:
    inputs = len(netlist.inputs)
    (folder / "main.c").write_text(_MAIN % (inputs, len(netlist.outputs), inputs, inputs, SECONDS))
    # Two files, so that the compiler cannot see that the outputs are unused.
    command([tool("gcc"), "-O3", "-std=c11", "net.c", "main.c", "-o", "main"], folder)
    words = np.ascontiguousarray(pixel_words(images).T)
    ran = [str(folder / "main"), str(len(words))]
    done = subprocess.run(ran, input=words.tobytes(), capture_output=True, check=True)
    return round(float(done.stdout))


def _abc_luts(folder: Path) -> tuple[int, int]:
    text = command([tool("abc"), "-c", "read net.aig; strash; dch; if -K 6; print_stats"], folder)
    luts, levels = (int(printed(rf"{name} *= *(\d+)", text, "abc")) for name in ("nd", "lev"))
    return luts, levels


def _family(synthesis: str, folder: Path) -> tuple[int, int]:
    """LUTs, and cells on the longest path, which include Xilinx multiplexers behind LUTs."""
    report = "tee -q -o cells.json stat -json; tee -q -o longest.txt ltp -noff"
    command([tool("yosys"), "-q", "-p", f"read_verilog net.v; {synthesis} -top net; {report}"], folder)
    cells = json.loads((folder / "cells.json").read_text())["design"]["num_cells_by_type"]
    longest = printed(r"length=(\d+)", (folder / "longest.txt").read_text(), "yosys")
    return sum(number for kind, number in cells.items() if "LUT" in kind), int(longest)
