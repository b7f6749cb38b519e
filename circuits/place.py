"""Places and routes a netlist on an FPGA, Lattice's iCE40 HX8K (7,680 logic cells), with yosys and nextpnr.

The net stands between registers, so that pins do not limit the clock: a shift register holds the pixels' bits that the
net reads, one bit a clock enters it, and the class goes into registers. A clock is what the net runs at; filling the
shift register is no part of it.
"""

import json
import subprocess
import sys
from pathlib import Path

from circuits import export
from circuits.netlist import Netlist
from circuits.prove import command, tool

DEVICE = ["--hx8k", "--package", "ct256"]

SECONDS = 900
"""Of nextpnr on one net, after which it is stopped."""


def placed(netlist: Netlist, stages: int, folder: Path) -> dict[str, float] | None:
    """mhz: the highest clock by nextpnr's timing; cells: logic cells; cycles: clocks from pixels held to the class.

    stages: as in export.verilog, 0 for a net without registers inside. folder: for files. None without yosys or
    nextpnr, and where the net does not fit or takes longer than SECONDS: one line on stderr says why.
    """
    yosys, nextpnr = tool("yosys"), tool("nextpnr-ice40")
    if not (yosys and nextpnr):
        return None
    text = export.verilog(netlist, "", stages) + board(netlist, stages > 0)
    (folder / "placed.v").write_text(text, encoding="utf-8")
    script = "read_verilog placed.v; synth_ice40 -flatten -top board -json placed.json"
    command([yosys, "-q", "-p", script], folder)
    words = [
        nextpnr,
        *DEVICE,
        "--json",
        "placed.json",
        "--pcf-allow-unconstrained",
        "--seed",
        "1",
    ]
    words += ["--quiet", "--timing-allow-fail", "--report", "report.json"]
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        why = f"nextpnr-ice40: {_error(done.stderr)}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        why = f"nextpnr-ice40 was stopped after {SECONDS} s"
    if why:
        print(f"lgn: ice40, stages {stages}: not placed: {why}", file=sys.stderr)
        return None
    report = json.loads((folder / "report.json").read_text())
    clocks = [clock["achieved"] for clock in report["fmax"].values()]
    cells = report["utilization"]["ICESTORM_LC"]["used"]
    return {"mhz": round(min(clocks), 1), "cells": cells, "cycles": cycles(netlist, stages)}


def cycles(netlist: Netlist, stages: int) -> int:
    """Clocks from pixels in the shift register to the class in registers."""
    return 1 + (max(0, netlist.depth() - 1) // stages if stages else 0)


def board(netlist: Netlist, clocked: bool) -> str:
    """A module `board`: the net between a shift register of the inputs that it reads, and registers of its outputs."""
    places = {name: place for place, name in enumerate(inputs_read(netlist))}
    width, outputs = max(2, len(places)), len(netlist.outputs)
    sources = [f"x[{places[name]}]" if name in places else "1'b0" for name in netlist.inputs]
    ports = [".clk(clk)"] * clocked
    ports += [f".{name}({source})" for name, source in zip(netlist.inputs, sources, strict=True)]
    ports += [f".{name}(y[{place}])" for place, name in enumerate(netlist.outputs)]
    return f"""
module board(clk, entering, held);
  input clk;
  input entering;
  output [{outputs - 1}:0] held;
  reg [{width - 1}:0] x;
  reg [{outputs - 1}:0] held;
  wire [{outputs - 1}:0] y;
  always @(posedge clk) begin
    x <= {{x[{width - 2}:0], entering}};
    held <= y;
  end
  net placed({export.PORTS.join(ports)});
endmodule
"""


def inputs_read(netlist: Netlist) -> list[str]:
    """The inputs that a gate or an output reads, in the order of the shift register."""
    read = {node for _, *pair in netlist.gates for node in pair}
    read |= {literal >> 1 for literal in netlist.outputs.values()}
    return [name for node, name in enumerate(netlist.inputs, start=1) if node in read]


def _error(text: str) -> str:
    lines = [line for line in text.splitlines() if "ERROR" in line] or text.splitlines()[-1:]
    return lines[0].strip() if lines else "no message"
