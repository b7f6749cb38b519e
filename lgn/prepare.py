"""Builds from a run's settings its data and thresholds, its network and its engine."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lgn.data import Dataset, load
from lgn.data.catalog import DATASETS
from lgn.data.encoding import thresholds
from lgn.data.files import dataset_info
from lgn.data.tables import encode_table
from lgn.errors import LgnError
from lgn.kernels import Engine, make_engine, resolve
from lgn.network import LogicNetwork
from lgn.run import Execution, Run


def backend_of(run: Run, execution: Execution) -> tuple[str, str]:
    """The backend and device that train a run. Raises LgnError if they cannot."""
    if execution.snapshots and run.candidates > 1:
        raise LgnError(
            f"snapshots: {execution.snapshots} of a run with candidates, whose wiring changes; allowed: 0"
        )
    return resolve(execution.backend, execution.device, run.estimator, run.optimizer_settings)


def read_data(run: Run, data_dir: Path) -> tuple[Dataset, np.ndarray]:
    """A run's data set and thresholds (count, pixels) uint8. A table is returned as bits, with thresholds of 0."""
    dataset = load(run.dataset, run.validation_share, data_dir, run.file_sha256)
    info, placement = dataset_info(run.dataset), run.threshold_placement
    if not info.bits:
        return dataset, thresholds(info, run.thresholds, placement, dataset.train[0])
    train, validation, test = encode_table(
        info, run.thresholds, placement, dataset.train, dataset.validation, dataset.test
    )
    encoded = replace(dataset, train=train, validation=validation, test=test)
    return encoded, np.zeros((1, info.inputs(run.thresholds)), np.uint8)


def build_network(run: Run, inputs: int) -> LogicNetwork:
    """The run's network before training."""
    return LogicNetwork(
        inputs=inputs,
        classes=dataset_info(run.dataset).classes,
        depth=run.depth,
        width=run.width,
        wiring=run.wiring,
        init=run.init,
        init_scale=run.init_scale,
        init_bias=run.init_bias,
        group_temperature=run.group_temperature,
        estimator=run.estimator,
        seed=run.seed,
    )


def engine_of(run: Run, network: LogicNetwork, encoder: np.ndarray, execution: Execution) -> Engine:
    """The engine that trains and evaluates the run's network. Raises LgnError as make_engine."""
    backend, device, threads = execution.backend, execution.device, execution.threads
    return make_engine(network, encoder, run.optimizer_settings, backend, device, threads)


def warm_up(run: Run, execution: Execution) -> None:
    """Trains a tiny network of the same method for two steps, so that no clock includes compilation."""
    tiny = run.model_copy(update={"dataset": "digits", "depth": 2, "width": 40, "wiring": "random"})
    encoder = np.full((2, DATASETS["digits"].pixels), 8, dtype=np.uint8)
    engine = engine_of(tiny, build_network(tiny, inputs=encoder.size), encoder, execution)
    pixels = np.zeros((run.batch_size, encoder.shape[1]), dtype=np.uint8)
    for _ in range(2):
        engine.step(pixels, np.zeros(run.batch_size, dtype=np.int64))
    engine.synchronize()
