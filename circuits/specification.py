"""The trained network in behavioural Verilog, neuron by neuron as in the record: circuits are proven against it.

Nothing is simplified or shared. Counts are sums and thresholds are comparisons; yosys makes the gates.
"""

import numpy as np

from circuits.classifier import PIXEL_BITS, discrete_gates
from circuits.export import PORTS
from lgn.arrays import stacked_wiring
from lgn.network import LogicNetwork

_FORMULAS = (
    "1'b0", "{a} & {b}", "{a} & ~{b}", "{a}", "~{a} & {b}", "{b}", "{a} ^ {b}", "{a} | {b}",
    "~({a} | {b})", "~({a} ^ {b})", "~{b}", "{a} | ~{b}", "~{a}", "~{a} | {b}", "~({a} & {b})", "1'b1",
)  # fmt: skip
"""By the gate's number, as in lgn.gates."""


def specification(network: LogicNetwork, thresholds: np.ndarray, counted: bool = True) -> str:
    """A module `net` with the ports of circuits.classifier. thresholds: (count, pixels) uint8.

    counted: the output is the class; otherwise it is the last layer's neurons, as in classifier.neurons.
    """
    count, pixels = thresholds.shape
    places = max(1, (network.classes - 1).bit_length())
    inputs = [f"p{pixel}_{bit}" for pixel in range(pixels) for bit in range(PIXEL_BITS)]
    outputs = (
        [f"class_{bit}" for bit in range(places)] if counted else [f"y{n}" for n in range(network.width)]
    )
    lines = [f"module net({PORTS.join(inputs + outputs)});"]
    lines += [f"  input {name};" for name in inputs] + [f"  output {name};" for name in outputs]
    for pixel in range(pixels):
        bits = ", ".join(f"p{pixel}_{bit}" for bit in reversed(range(PIXEL_BITS)))
        lines.append(f"  wire [7:0] pixel{pixel} = {{{bits}}};")
    for place in range(count * pixels):
        level = int(thresholds[place // pixels, place % pixels])
        lines.append(f"  wire layer0_{place} = pixel{place % pixels} > 8'd{level};")
    for layer, (gates, (first, second)) in enumerate(
        zip(discrete_gates(network), stacked_wiring(network), strict=True), start=1
    ):
        for neuron, gate in enumerate(gates):
            a, b = f"layer{layer - 1}_{first[neuron]}", f"layer{layer - 1}_{second[neuron]}"
            lines.append(f"  wire layer{layer}_{neuron} = {_FORMULAS[gate].format(a=a, b=b)};")
    if not counted:
        lines += [f"  assign y{neuron} = layer{network.depth}_{neuron};" for neuron in range(network.width)]
        return "\n".join([*lines, "endmodule", ""])
    group = network.width // network.classes
    size = group.bit_length()
    for c in range(network.classes):
        members = " + ".join(f"layer{network.depth}_{c * group + place}" for place in range(group))
        lines.append(f"  wire [{size - 1}:0] count{c} = {members};")
        if c == 0:
            lines += [f"  wire [{size - 1}:0] most0 = count0;", f"  wire [{places - 1}:0] best0 = 0;"]
        else:
            lines.append(f"  wire more{c} = count{c} > most{c - 1};")
            lines.append(f"  wire [{size - 1}:0] most{c} = more{c} ? count{c} : most{c - 1};")
            lines.append(f"  wire [{places - 1}:0] best{c} = more{c} ? {places}'d{c} : best{c - 1};")
    last = network.classes - 1
    lines += [f"  assign {name} = best{last}[{bit}];" for bit, name in enumerate(outputs)]
    return "\n".join([*lines, "endmodule", ""])
