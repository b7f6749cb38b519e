"""A record as a circuit: simplified, exported, checked by other tools, and analysed.

netlist: a graph of two-input gates. classifier: a record's whole net as a netlist, from the bits of pixels to the bits
of the class. specification: the same net in behavioural Verilog, not simplified. export: a netlist as Verilog, BLIF,
AIGER, C or a drawing. prove: checks of these files by simulators, yosys, ABC and gcc. use: neurons with an effect.
cost: of an evaluation. place: on an FPGA. foreign: import and export of other libraries' nets.
"""
