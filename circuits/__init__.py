"""A record -> a circuit: simplified, exported, proven by other people's tools, and what its gates do.

netlist: gates of two inputs as one ragged graph. classifier: a record's whole net as one, from the bits of pixels to
those of the class. specification: the same net in behavioural Verilog, with nothing simplified. export: the graph as
Verilog, BLIF, AIGER, C or a drawing. prove: what iverilog, yosys, ABC and gcc make of those files. use: which neurons
of a trained net do anything. cost: what an evaluation takes. foreign: nets of other libraries, in and out.
"""
