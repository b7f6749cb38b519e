"""Loads a record: the trained network and the data that it is measured on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from lgn.errors import LgnError
from lgn.evaluate import accuracy_columns, evaluation_splits
from lgn.network import LogicNetwork
from lgn.prepare import build_network, engine_of, read_data
from lgn.records import read_run, read_weights
from lgn.run import Execution, Run, parse_run


class Trained(NamedTuple):
    """A trained run: settings, network, splits (see evaluation_splits), thresholds."""

    run: Run
    network: LogicNetwork
    splits: dict[str, tuple[np.ndarray, np.ndarray]]
    thresholds: np.ndarray


def restore(directory: Path, data_dir: Path) -> Trained:
    """A record's network at the end of training, with its temperature.

    Raises LgnError if the data are not the record's.
    """
    record = read_run(directory)
    run = parse_run(record["settings"], str(directory / "run.json"))
    dataset, encoder = read_data(run, data_dir)
    if dataset.sha256 != record["data_sha256"]:
        raise LgnError(
            f"{data_dir}: holds other {run.dataset} data than {directory / 'run.json'} was trained on"
        )
    network = build_network(run, inputs=encoder.size)
    network.load_state_dict(read_weights(directory))
    network.estimator = run.estimator_at(int(network.iteration))
    return Trained(run, network, evaluation_splits(run, dataset), encoder)


def evaluate_record(
    directory: Path, data_dir: Path, execution: Execution = Execution()
) -> dict[str, tuple[float | None, float]]:
    """Accuracies and gaps of a record's stored weights: column -> (recorded value, value measured now)."""
    run, network, splits, encoder = restore(directory, data_dir)
    columns = accuracy_columns(engine_of(run, network, encoder, execution), run.estimator, splits)
    recorded = read_run(directory)["final"]
    return {name: (recorded.get(name), value) for name, value in columns.items()}
