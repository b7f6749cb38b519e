"""Writes a netlist for other tools: Verilog, BLIF, AIGER, C, or a drawing in Graphviz's language.

Each writer walks over the gates once and returns the file's content. Names state the neuron: layer1_neuron5.
"""

from collections.abc import Callable

from circuits.netlist import A_AND_NOT_B, AND, NOT_A_AND_B, OR, XOR, Netlist
from lgn.errors import LgnError

OPERATORS = {AND: "{} & {}", A_AND_NOT_B: "{} & ~{}", NOT_A_AND_B: "~{} & {}", XOR: "{} ^ {}", OR: "{} | {}"}
"""The gates in Verilog and C."""

PORTS = ",\n  "
"""Between the ports of a Verilog module: Verilator refuses lines of more than 40,000 words."""


def verilog(netlist: Netlist, header: str, stages: int = 0) -> str:
    """A module `net`: combinational, or with registers after every `stages` levels of gates and a clock `clk`.

    A pipelined module's header states after how many clocks the outputs of an input appear.
    """
    ranks = _ranks(netlist, stages)
    last = max((ranks[lit >> 1] for lit in netlist.outputs.values()), default=0) if stages else 0
    lines = [f"// {line}" for line in header.splitlines()]
    lines += [f"// Outputs follow their inputs by {last} clocks."] if stages else []
    ports = [*netlist.inputs, *netlist.outputs]
    lines.append(f"module net({PORTS.join(['clk'] * bool(stages) + ports)});")
    lines += ["  input clk;"] * bool(stages) + [f"  input {name};" for name in netlist.inputs]
    lines += [f"  output {name};" for name in netlist.outputs]
    names, delayed = _names(netlist), {}

    def at(node: int, rank: int) -> str:
        """A node's name at a rank of registers; registers delay it from its own rank on."""
        if node == 0 or rank == ranks[node]:
            return "1'b0" if node == 0 else names[node]
        if (node, rank) not in delayed:
            before = at(node, rank - 1)
            delayed[node, rank] = f"{names[node]}_r{rank}"
            lines.append(
                f"  reg {delayed[node, rank]}; always @(posedge clk) {delayed[node, rank]} <= {before};"
            )
        return delayed[node, rank]

    for node, (gate, a, b) in enumerate(netlist.gates, start=netlist.first_gate):
        rank = ranks[node]
        lines.append(f"  wire {names[node]} = {OPERATORS[gate].format(at(a, rank), at(b, rank))};")
    for name, literal in netlist.outputs.items():
        lines.append(f"  assign {name} = {'~' * (literal & 1)}{at(literal >> 1, last)};")
    return "\n".join([*lines, "endmodule", ""])


def blif(netlist: Netlist, header: str) -> str:
    """Berkeley logic interchange format, one table per gate."""
    names = _names(netlist)
    rows = {AND: "11 1", A_AND_NOT_B: "10 1", NOT_A_AND_B: "01 1", XOR: "10 1\n01 1", OR: "1- 1\n-1 1"}
    lines = [f"# {line}" for line in header.splitlines()]
    lines += [".model net", f".inputs {' '.join(netlist.inputs)}", f".outputs {' '.join(netlist.outputs)}"]
    for node, (gate, a, b) in enumerate(netlist.gates, start=netlist.first_gate):
        lines += [f".names {names[a]} {names[b]} {names[node]}", rows[gate]]
    for name, literal in netlist.outputs.items():
        if literal >> 1:
            lines += [f".names {names[literal >> 1]} {name}", f"{1 - (literal & 1)} 1"]
        else:
            lines += [f".names {name}"] + ["1"] * (literal & 1)
    return "\n".join([*lines, ".end", ""])


def aiger(netlist: Netlist, header: str) -> bytes:
    """The binary form of AIGER 1.9, which ABC reads: only and-gates; an exclusive-or becomes three of them."""
    literals = {node: 2 * node for node in range(netlist.first_gate)}
    ands: list[tuple[int, int]] = []

    def both(a: int, b: int) -> int:
        ands.append((max(a, b), min(a, b)))
        return 2 * (netlist.first_gate + len(ands) - 1)

    for node, (gate, first, second) in enumerate(netlist.gates, start=netlist.first_gate):
        a, b = literals[first], literals[second]
        if gate == XOR:
            literals[node] = both(both(a, b) ^ 1, both(a ^ 1, b ^ 1) ^ 1)
        elif gate == OR:
            literals[node] = both(a ^ 1, b ^ 1) ^ 1
        else:
            literals[node] = both(a ^ (gate == NOT_A_AND_B), b ^ (gate == A_AND_NOT_B))
    count, outputs = len(netlist.inputs), [literals[lit >> 1] ^ (lit & 1) for lit in netlist.outputs.values()]
    head = [f"aig {count + len(ands)} {count} 0 {len(outputs)} {len(ands)}", *map(str, outputs), ""]
    body = bytearray()
    for place, (high, low) in enumerate(ands):
        for difference in (2 * (netlist.first_gate + place) - high, high - low):
            while difference > 127:
                body.append(difference & 127 | 128)
                difference >>= 7
            body.append(difference)
    tail = [f"i{place} {name}" for place, name in enumerate(netlist.inputs)]
    tail += [f"o{place} {name}" for place, name in enumerate(netlist.outputs)]
    return "\n".join(head).encode() + bytes(body) + "\n".join([*tail, "c", header, ""]).encode()


PART = 100
"""Gates per function of a C file: compile time grows with the square of a function's length."""


def c(netlist: Netlist, header: str) -> str:
    """A C function net(inputs, outputs) for 64 examples at once, one bit of each word per example. Needs no library."""
    first = netlist.first_gate

    def value(node: int) -> str:
        return "0" if node == 0 else f"x[{node - 1}]" if node < first else f"g[{node - first}]"

    lines = ["/*", *header.splitlines(), f"inputs, in order: {' '.join(netlist.inputs)}"]
    lines += [f"outputs, in order: {' '.join(netlist.outputs)}", "*/", "#include <stdint.h>", ""]
    lines.append(f"static _Thread_local uint64_t g[{max(1, len(netlist.gates))}];")
    statements = [
        f"  g[{place}] = {OPERATORS[gate].format(value(a), value(b))};"
        for place, (gate, a, b) in enumerate(netlist.gates)
    ]
    parts = range(0, len(statements), PART)
    for part in parts:
        lines += [f"void net_part{part}(const uint64_t *x) {{", *statements[part : part + PART], "}"]
    lines += ["void net(const uint64_t *x, uint64_t *y) {", *(f"  net_part{part}(x);" for part in parts)]
    for place, literal in enumerate(netlist.outputs.values()):
        lines.append(f"  y[{place}] = {'~(uint64_t)' * (literal & 1)}{value(literal >> 1)};")
    return "\n".join([*lines, "}", ""])


def dot(netlist: Netlist, header: str) -> str:
    """A drawing for Graphviz: `dot -Tsvg`. Dashed edges are complements."""
    labels = {AND: "and", A_AND_NOT_B: "a and not b", NOT_A_AND_B: "not a and b", XOR: "xor", OR: "or"}
    names = _names(netlist)
    lines = [f"// {line}" for line in header.splitlines()] + ["digraph net {", "  rankdir=LR;"]
    used = {node for _, *pair in netlist.gates for node in pair} | {
        lit >> 1 for lit in netlist.outputs.values()
    }
    lines += [f'  "{names[node]}" [shape=box];' for node in sorted(used) if node < netlist.first_gate]
    for node, (gate, a, b) in enumerate(netlist.gates, start=netlist.first_gate):
        lines.append(f'  "{names[node]}" [label="{names[node]}\\n{labels[gate]}"];')
        lines += [
            f'  "{names[source]}" -> "{names[node]}" [label={side}];' for side, source in (("a", a), ("b", b))
        ]
    for name, literal in netlist.outputs.items():
        style = " [style=dashed]" if literal & 1 else ""
        lines.append(f'  "{names[literal >> 1]}" -> "{name}"{style};')
    return "\n".join([*lines, "}", ""])


def formula(netlist: Netlist, output: str) -> str:
    """One output as a readable expression in the inputs: ~ is the complement, and every gate has parentheses."""

    def text(node: int) -> str:
        if node < netlist.first_gate:
            return ["0", *netlist.inputs][node]
        gate, a, b = netlist.gates[node - netlist.first_gate]
        return f"({OPERATORS[gate].format(text(a), text(b))})"

    literal = netlist.outputs[output]
    return "~" * (literal & 1) + text(literal >> 1)


FORMATS: dict[str, Callable[[Netlist, str], str | bytes]] = {
    "verilog": verilog, "blif": blif, "aiger": aiger, "c": c, "dot": dot
}  # fmt: skip
ENDINGS = {"verilog": ".v", "blif": ".blif", "aiger": ".aig", "c": ".c", "dot": ".dot"}


def written(netlist: Netlist, format: str, header: str) -> bytes:
    """The content of a netlist's file. Raises LgnError for an unknown format."""
    if format not in FORMATS:
        raise LgnError(f"format: {format!r} is unknown; allowed: {', '.join(FORMATS)}, torchlogix")
    content = FORMATS[format](netlist, header)
    return content if isinstance(content, bytes) else content.encode()


def _names(netlist: Netlist) -> dict[int, str]:
    """A name for each node; nodes without a neuron's name are numbered."""
    own = dict(enumerate(["zero", *netlist.inputs]))
    gates = range(netlist.first_gate, netlist.first_gate + len(netlist.gates))
    return own | {node: netlist.names.get(node, f"n{node}") for node in gates}


def _ranks(netlist: Netlist, stages: int) -> list[int]:
    """Number of ranks of registers before each node, one rank after every `stages` levels; 0 without registers."""
    depths = [0] * netlist.first_gate
    for _, a, b in netlist.gates:
        depths.append(1 + max(depths[a], depths[b]))
    return [max(0, depth - 1) // stages if stages else 0 for depth in depths]
