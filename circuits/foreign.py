"""Imports logits and wiring of difflogic and torchlogix as a record, and exports ours for torchlogix.

All three number the gates by truth table. The files are torch files, and are read as tensors only.
"""

import io
import pickle
import re
from pathlib import Path

import numpy as np
import torch

from lgn import metrics
from lgn.arrays import stacked_wiring
from lgn.errors import LgnError
from lgn.evaluate import accuracy_columns, entropies_and_gates, evaluation_splits
from lgn.files import make_folder, sha256
from lgn.gates import GATES
from lgn.methods import spell_out_method
from lgn.network import LogicNetwork
from lgn.prepare import build_network, engine_of, read_data
from lgn.records import write_record
from lgn.run import Execution, parse_run
from lgn.train import described

_LAYER = re.compile(r"(?P<layer>.*?)(?P<kind>weights?|(connections\.)?indices)")
"""difflogic: weights, and indices stored beside them; torchlogix: weight, connections.indices."""

_UNTRAINED = {"temperature": 1.0, "group_temperature": 1.0, "iterations": 1, "evaluations": 2, "seed": 0}
"""Settings that a run must have and that do not matter to a trained net."""


def import_record(path: Path, settings: dict, directory: Path, data_dir: Path) -> dict:
    """Evaluates the net in a file and writes it as a record of status `imported`; returns the content of its run.json.

    settings: dataset and thresholds, and others if a run's defaults are wrong. Raises LgnError for a folder with files,
    and for a net in an unknown format or one that does not fit the data.
    """
    if directory.exists() and any(directory.iterdir()):
        raise LgnError(f"{directory}: holds files; allowed: a folder that is empty or not there")
    layers = read_layers(path)
    shape = {"depth": len(layers), "width": len(layers[0][0])}
    for key in shape.keys() & settings.keys():
        raise LgnError(
            f"{key}: {settings[key]} is stated; allowed: to leave it to {path}, which has {shape[key]}"
        )
    settings = spell_out_method({"method": "dlgn"} | settings, "lgn import")
    run = parse_run(_UNTRAINED | settings | shape, "lgn import")
    dataset, thresholds = read_data(run, data_dir)
    network = build_network(run, inputs=thresholds.size)
    for layer, (logits, wiring) in enumerate(layers):
        network.logits[layer].data.copy_(logits)
        network.wiring(layer).copy_(wiring)
    stacked_wiring(network)  # Raises if the wiring reads inputs that do not exist.
    splits, execution = evaluation_splits(run, dataset), Execution()
    engine = engine_of(run, network, thresholds, execution)
    columns = accuracy_columns(engine, run.estimator, splits)
    entropies, gates = entropies_and_gates(network)
    record = described(run, dataset, thresholds.size, engine, execution) | {
        "status": "imported",
        "imported": {"file": path.name, "sha256": sha256(path.read_bytes())},
        "final": {"iteration": 0} | columns,
    }
    arrays = {"counts": metrics.gate_counts(gates), "entropies": entropies.astype(np.float32)}
    make_folder(directory)
    write_record(directory, record, [record["final"]], arrays, network.state_dict(), {})
    return record


def read_layers(path: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(logits (width, 16), wiring (2, width)) of each layer in a torch file, see docs/circuits.md.

    Raises LgnError for another format, and for any further content: it could change the net's function.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        tensors = {str(name): torch.as_tensor(_stacked(value)).detach() for name, value in found.items()}
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        raise LgnError(
            f"{path}: cannot be read as torch's tensors by name ({str(error).splitlines()[0]})"
        ) from None
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        match = _LAYER.fullmatch(name)
        if not match:
            raise LgnError(f"{path}: {name}: is no layer's; allowed: weights and indices of layers")
        layers.setdefault(match["layer"], {})["logits" if "weight" in match["kind"] else "wiring"] = tensor
    for name, layer in layers.items():
        width = len(layer.get("logits", ()))
        for part, shape in (("logits", (width, GATES)), ("wiring", (2, width))):
            if part not in layer or tuple(layer[part].shape) != shape or not width:
                given = tuple(layer[part].shape) if part in layer else "missing"
                raise LgnError(f"{path}: layer {name or '0'}: {part}: {given}; allowed: {shape}")
    widths = dict.fromkeys(len(layer["logits"]) for layer in layers.values())
    if len(widths) != 1:
        raise LgnError(
            f"{path}: layers of widths {', '.join(map(str, widths)) or 'none'}; allowed: one width"
        )
    return [(layer["logits"], layer["wiring"]) for layer in layers.values()]


def torchlogix_state(network: LogicNetwork) -> bytes:
    """A file of the state dict of torchlogix's Sequential(LogicDense, ..., GroupSum), parametrization "raw"."""
    if network.method.name != "softmax":
        raise LgnError(f"parametrization: {network.method.name} with format torchlogix; allowed: softmax")
    state = {}
    for layer, logits in enumerate(network.logits):
        state[f"{layer}.weight"] = logits.detach().cpu().clone()
        state[f"{layer}.connections.indices"] = network.wiring(layer).long().cpu()
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def _stacked(value):
    """Stacks a pair of tensors, difflogic's form of indices."""
    return torch.stack(list(value)) if isinstance(value, tuple | list) else value
