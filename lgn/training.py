"""One run from start, or from its checkpoint, to its record."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lgn import checkpoint, metrics, records
from lgn.batches import Batches
from lgn.controls import batch_labels, temperature_at, training_labels
from lgn.data import Dataset, load
from lgn.data.catalog import DATASETS
from lgn.data.encoding import thresholds
from lgn.data.files import dataset_info
from lgn.data.tables import encode_table
from lgn.environment import describe
from lgn.errors import LgnError
from lgn.evaluation import accuracy_columns
from lgn.kernels import Engine, make_engine, resolve
from lgn.memory import require_memory
from lgn.methods import Estimator
from lgn.network import LogicNetwork
from lgn.run import Execution, Run, parse_run
from lgn.stopping import Stopped, StopRequest
from lgn.storage import make_folder, only_process
from lgn.versions import HISTORY_VERSION, RECORD_VERSION, TRAINING_SEMANTICS

CHECKPOINT_SECONDS, CHECKPOINT_SHARE = 30.0, 0.01
"""At least so long between checkpoints, and so long that writing them takes no more than that share of the time."""

Progress = Callable[[int, dict[str, float] | None], None]
"""Called with the iteration reached, and with the history row where one was just made."""


def train(
    run: Run,
    directory: Path,
    data_dir: Path,
    execution: Execution = Execution(),
    progress: Progress | None = None,
    stop: StopRequest | None = None,
    keep: str | None = None,
) -> dict:
    """Trains a run and writes its record into a directory; returns the content of run.json.

    A checkpoint found there is resumed, and the result is that of an uninterrupted run but for the clocks. A record
    found there is replaced; study.seeds.train_seeds refuses that. When `stop` asks, a checkpoint is written and Stopped
    raised. keep: the name under which a checkpoint of the end stays, too. Raises LgnError for missing data, a device
    that is not there, too little memory, a directory that cannot be written or is in use, a checkpoint that is damaged
    or of another run.
    """
    torch.set_num_threads(execution.threads)
    backend, device = backend_of(run, execution)
    require_memory([run], backend, device, execution.snapshots)
    dataset, encoder = read_data(run, data_dir)
    warm_up(run, execution)
    engine = _engine(run, build_network(run, inputs=encoder.size), encoder, execution)
    return train_on(engine, run, directory, dataset, encoder, execution, progress, stop, keep)


def backend_of(run: Run, execution: Execution) -> tuple[str, str]:
    """The backend and device that train a run. Raises LgnError where they cannot."""
    return resolve(execution.backend, execution.device, run.estimator, run.optimizer_settings)


def read_data(run: Run, data_dir: Path) -> tuple[Dataset, np.ndarray]:
    """A run's data set and thresholds (count, pixels) uint8; of a table its bits, with one threshold of 0 each."""
    dataset = load(run.dataset, run.validation_share, data_dir, run.file_sha256)
    info, placement = dataset_info(run.dataset), run.threshold_placement
    if not info.bits:
        return dataset, thresholds(info, run.thresholds, placement, dataset.train[0])
    train, validation, test = encode_table(
        info, run.thresholds, placement, dataset.train, dataset.validation, dataset.test
    )
    encoded = replace(dataset, train=train, validation=validation, test=test)
    return encoded, np.zeros((1, info.inputs(run.thresholds)), np.uint8)


def _engine(run: Run, network: LogicNetwork, encoder: np.ndarray, execution: Execution) -> Engine:
    return make_engine(
        network,
        encoder,
        run.optimizer_settings,
        execution.backend,
        execution.device,
        execution.threads,
    )


def silent(iteration: int, row: dict[str, float] | None) -> None:
    """Progress that nobody watches."""


def train_on(
    engine: Engine,
    run: Run,
    directory: Path,
    dataset: Dataset,
    encoder: np.ndarray,
    execution: Execution,
    progress: Progress | None,
    stop: StopRequest | None,
    keep: str | None = None,
) -> dict:
    """Trains a run's engine to the end and writes the record."""
    make_folder(directory)
    with only_process(directory):
        trained = _Training(run, dataset, engine, directory, progress or silent, stop, execution.snapshots)
        trained.resume()
        with trained.stop.watched():
            status = trained.train()
            if keep:
                trained.store(keep)
            # Asked to stop now, it is sooner done than stored.
            _write_record(trained, status, dataset, encoder, execution)
    return records.read_run(directory)


def _write_record(
    trained: "_Training", status: str, dataset: Dataset, encoder: np.ndarray, execution: Execution
) -> None:
    run, engine = trained.run, trained.engine
    record = {
        "run_id": run.run_id,
        "method": run.method,
        "record_version": RECORD_VERSION,
        "training_semantics": TRAINING_SEMANTICS,
        "settings": run.model_dump(),
        "environment": describe(engine.name, engine.device, execution.threads, engine.together),
        "data_sha256": dataset.sha256,
        "inputs": encoder.size,
        "unused_threshold": trained.unused_threshold,
        "status": status,
        "final": trained.history[-1],
    }
    if trained.continued_from:
        record["continued_from"] = trained.continued_from
    gates = {
        "counts": metrics.gate_counts(trained.gates),
        "entropies": trained.entropies.astype(np.float32),
        "initial_entropies": trained.initial_entropies.astype(np.float32),
    }
    weights = {name: tensor.cpu() for name, tensor in engine.network.state_dict().items()}
    records.write_record(trained.directory, record, trained.history, gates, weights, trained.snapshots)


class Trained(NamedTuple):
    """What a record's weights are measured with: the run, its network, splits (evaluation_splits), thresholds."""

    run: Run
    network: LogicNetwork
    splits: dict[str, tuple[np.ndarray, np.ndarray]]
    thresholds: np.ndarray


def restore(directory: Path, data_dir: Path) -> Trained:
    """The network of a record as it was when training ended, its temperature too.

    Raises LgnError where record and data do not belong.
    """
    record = records.read_run(directory)
    run = parse_run(record["settings"], str(directory / "run.json"))
    dataset, encoder = read_data(run, data_dir)
    if dataset.sha256 != record["data_sha256"]:
        raise LgnError(
            f"{data_dir}: holds other {run.dataset} data than {directory / 'run.json'} was trained on"
        )
    network = build_network(run, inputs=encoder.size)
    network.load_state_dict(records.read_weights(directory))
    network.estimator = estimator_at(run, int(network.iteration))
    return Trained(run, network, evaluation_splits(run, dataset), encoder)


def estimator_at(run: Run, iteration: int) -> Estimator:
    """The run's estimator, at the temperature that it has at an iteration."""
    return replace(run.estimator, temperature=temperature_at(run, iteration))


def evaluate_record(
    directory: Path, data_dir: Path, execution: Execution = Execution()
) -> dict[str, tuple[float | None, float]]:
    """Accuracies and gaps of a record's stored weights: column -> (as recorded, as measured now)."""
    run, network, splits, encoder = restore(directory, data_dir)
    columns = accuracy_columns(_engine(run, network, encoder, execution), run.estimator, splits)
    recorded = records.read_run(directory)["final"]
    return {name: (recorded.get(name), value) for name, value in columns.items()}


def evaluation_splits(run: Run, dataset: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What accuracies are measured on: name -> (images, labels); of the training images the first so many.

    Training labels are those that the run is told.
    """
    count = run.train_evaluation_images
    told = training_labels(run, dataset.train.labels)
    return {
        "train": (dataset.train.images[:count], told[:count]),
        "validation": dataset.validation,
        "test": dataset.test,
    }


def build_network(run: Run, inputs: int) -> LogicNetwork:
    """The run's network as it is before training."""
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


def warm_up(run: Run, execution: Execution) -> None:
    """Steps a tiny network of the same method, so that compilation falls outside every clock."""
    tiny = run.model_copy(update={"dataset": "digits", "depth": 2, "width": 40, "wiring": "random"})
    encoder = np.full((2, DATASETS["digits"].pixels), 8, dtype=np.uint8)
    engine = _engine(tiny, build_network(tiny, inputs=encoder.size), encoder, execution)
    pixels = np.zeros((run.batch_size, encoder.shape[1]), dtype=np.uint8)
    for _ in range(2):
        engine.step(pixels, np.zeros(run.batch_size, dtype=np.int64))
    engine.synchronize()


class _Training:
    """The state of a training at any iteration: history, clocks and what the next row compares with."""

    def __init__(
        self,
        run: Run,
        dataset: Dataset,
        engine: Engine,
        directory: Path,
        progress: Progress,
        stop: StopRequest | None,
        snapshots: int,
    ):
        self.run, self.engine, self.directory = run, engine, directory
        self.progress, self.stop = progress, StopRequest() if stop is None else stop
        self.network = engine.network
        self.classes = engine.network.classes
        self.images, self.labels = dataset.train[0], training_labels(run, dataset.train[1])
        self.splits = evaluation_splits(run, dataset)
        self.batches = Batches(len(self.labels), run.batch_size, run.seed)
        self.schedule = metrics.evaluation_schedule(run.iterations, run.evaluations)
        self.fingerprint = {
            "run_id": run.run_id,
            "semantics": TRAINING_SEMANTICS,
            "data_sha256": dataset.sha256,
            "snapshots": snapshots,
            "history": HISTORY_VERSION,
        }
        self.snapshot_iterations = metrics.snapshot_schedule(self.schedule, snapshots)
        self.snapshots: dict[int, torch.Tensor] = {}
        self.history: list[dict[str, float]] = []
        self.continued_from: list[dict] = []  # Shorter runs that this one goes on from, and where they ended.
        self.loss_sum, self.loss_count = 0.0, 0
        self.training_seconds = 0.0
        self.elapsed_before = 0.0
        self.started = time.perf_counter()
        self.checkpoint_due = self.started + CHECKPOINT_SECONDS
        self._measure_gates()
        self.initial_entropies = self.entropies
        self.unused_threshold = metrics.unused_threshold()

    def train(self) -> str:
        """Runs to the end; returns the record's status. Raises Stopped after a checkpoint where that was asked for."""
        status = "completed"
        if not self.history:
            self._evaluate()
        for target in self.schedule[self.schedule > self.history[-1]["iteration"]]:
            in_budget = self._train_to(int(target))
            row = self._evaluate(last=not in_budget or target == self.run.iterations)
            # Straight-through activations are bits whatever the logits are: NaN logits show in themselves alone.
            # Where squares of gradients overflow, as at a large loss_scale, Adam's steps are 0 and nothing else shows.
            overflow = any(math.isinf(row[name]) for name in row if name.startswith("gradient_rms"))
            if overflow or not (math.isfinite(row["loss"]) and self.finite):
                status = "diverged"
                break
            if not in_budget:
                status = "time_budget"
                break
        return status

    def resume(self) -> None:
        """Takes over the checkpoint in the run's directory, if there is one."""
        found = checkpoint.read_checkpoint(self.directory)
        if found is None:
            return
        state, tensors = found
        if state["fingerprint"] != self.fingerprint:
            raise LgnError(
                f"{self.directory / checkpoint.CHECKPOINT}: was made by {state['fingerprint']}, "
                f"this run is {self.fingerprint}; {checkpoint.ANEW}"
            )
        self.history, self.continued_from = state["history"], state.get("continued_from", [])
        self.training_seconds, self.elapsed_before = state["training_seconds"], state["elapsed_seconds"]
        self.loss_sum, self.loss_count = state["loss_sum"], state["loss_count"]
        self.gates = tensors.pop("gates").numpy()
        for name in [name for name in tensors if name.startswith(checkpoint.SNAPSHOT)]:
            self.snapshots[int(name.removeprefix(checkpoint.SNAPSHOT))] = tensors.pop(name)
        optimizer = {name: tensors.pop(name) for name in tensors.keys() - self.network.state_dict().keys()}
        self.network.load_state_dict(tensors)
        self.engine.load_optimizer_state(optimizer)

    def _checkpoint(self) -> None:
        begun = time.perf_counter()
        self.store(checkpoint.CHECKPOINT)
        now = time.perf_counter()
        self.checkpoint_due = now + max(CHECKPOINT_SECONDS, (now - begun) / CHECKPOINT_SHARE)

    def store(self, name: str) -> None:
        """Stores all that the next iteration depends on; noise and data order are functions of the iteration."""
        self._take_losses()
        state = {
            "fingerprint": self.fingerprint,
            "history": self.history,
            "continued_from": self.continued_from,
            "training_seconds": self.training_seconds,
            "elapsed_seconds": self._elapsed(),
            "loss_sum": self.loss_sum,
            "loss_count": self.loss_count,
        }
        tensors = self.network.state_dict() | self.engine.optimizer_state()
        tensors |= {
            f"{checkpoint.SNAPSHOT}{iteration}": logits for iteration, logits in self.snapshots.items()
        }
        tensors["gates"] = torch.from_numpy(self.gates)
        checkpoint.write_checkpoint(self.directory, state, tensors, name)

    def _leave_if_asked(self) -> None:
        if self.stop:
            self._checkpoint()
            raise Stopped(
                f"stored at iteration {int(self.network.iteration)} in {self.directory}", self.stop.signal
            )

    def _train_to(self, target: int) -> bool:
        """Trains up to an iteration; False where the time budget has ended it, there or before."""
        budget = self.run.time_budget_seconds or math.inf
        while int(self.network.iteration) < target and self.training_seconds < budget:
            self._step_to(target, budget)
            self._leave_if_asked()
            if time.perf_counter() > self.checkpoint_due:
                self._checkpoint()
        iteration = int(self.network.iteration)
        return iteration == target and (target == self.run.iterations or self.training_seconds < budget)

    def _step_to(self, target: int, budget: float) -> None:
        """Steps, inside the training clock, up to an iteration, or until budget, checkpoint or a stop end it before."""
        begun = shown = self._clock()
        iteration = int(self.network.iteration)
        spent = self.training_seconds
        while iteration < target and spent < budget and not self.stop:
            batch = self.batches[iteration]
            self._set_temperature(iteration)
            labels = batch_labels(self.run, self.labels[batch], iteration, self.classes)
            self.engine.step(self.images[batch], labels)
            iteration += 1
            now = self._clock()
            spent = self.training_seconds + now - begun
            if now - shown > 0.5:
                self.progress(iteration, None)
                shown = now
                if time.perf_counter() > self.checkpoint_due:
                    break
        self.engine.synchronize()
        self.training_seconds += self._clock() - begun

    def _set_temperature(self, iteration: int) -> None:
        if self.run.final_temperature is not None:
            self.network.estimator = estimator_at(self.run, iteration)

    def _clock(self) -> float:
        """Seconds that stand still while step() waits for other runs, and that no change of the date moves."""
        return time.perf_counter() - self.engine.waited

    def _elapsed(self) -> float:
        return self.elapsed_before + time.perf_counter() - self.started

    def _take_losses(self) -> None:
        total, count = self.engine.take_losses()
        self.loss_sum, self.loss_count = self.loss_sum + total, self.loss_count + count

    def _evaluate(self, last: bool = False) -> dict[str, float]:
        """Appends a row to the history, outside the training clock."""
        self._set_temperature(int(self.network.iteration))
        # First, because it may leave: nothing of this evaluation is in a checkpoint then.
        accuracies = accuracy_columns(
            self.engine, self.run.estimator, self._evaluated_splits(last), self._leave_if_asked
        )
        before = self.gates
        self._measure_gates()
        self._take_losses()
        row = {
            "iteration": int(self.network.iteration),
            "training_seconds": self.training_seconds,
            "elapsed_seconds": self._elapsed(),
            "loss": self.loss_sum / self.loss_count if self.loss_count else math.nan,
        }
        self.loss_sum, self.loss_count = 0.0, 0
        row |= accuracies
        row |= metrics.entropy_columns(self.entropies, self.unused_threshold)
        row |= metrics.gradient_columns(
            (square.detach().cpu().numpy() for square in self.engine.squared_gradients()),
            row["iteration"],
            self.run.optimizer_settings,
            self.run.depth,
        )
        row["gate_change_share"] = float((self.gates != before).mean()) if self.history else math.nan
        self.history.append(row)
        if row["iteration"] in self.snapshot_iterations:
            self.snapshots[row["iteration"]] = torch.stack([x.detach().cpu() for x in self.network.logits])
        self.progress(row["iteration"], row)
        return row

    def _evaluated_splits(self, last: bool) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The splits, of the test images the first test_evaluation_images only, but for the last row."""
        count = self.run.test_evaluation_images
        if count is None or last:
            return self.splits
        images, labels = self.splits["test"]
        return self.splits | {"test": (images[:count], labels[:count])}

    def _measure_gates(self) -> None:
        """entropies (depth, width) float64 and gates (depth, width) uint8, a layer at a time: logits are large."""
        network, layers = self.network, [layer.detach().cpu() for layer in self.network.logits]
        self.entropies = np.stack([network.method.entropies(parameters) for parameters in layers])
        self.gates = np.stack([network.method.gates(parameters).numpy() for parameters in layers])
        self.finite = all(bool(parameters.isfinite().all()) for parameters in layers)
