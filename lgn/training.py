"""One run from start, or from its checkpoint, to its record."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import torch

from lgn import metrics, records
from lgn.batches import Batches
from lgn.config import Execution, Run, parse_run
from lgn.data import Dataset, load
from lgn.datasets import DATASETS
from lgn.encoding import thresholds
from lgn.environment import describe
from lgn.errors import LgnError
from lgn.evaluation import accuracy_columns
from lgn.kernels import Engine, make_engine, resolve
from lgn.network import LogicNetwork
from lgn.versions import RECORD_VERSION, TRAINING_SEMANTICS

CHECKPOINT_SECONDS = 30.0
"""At least this long between checkpoints, so that their cost stays a small share of training."""

Progress = Callable[[int, dict[str, float] | None], None]
"""Called with the iteration reached, and with the history row where one was just made."""


def train(
    run: Run,
    directory: Path,
    data_dir: Path,
    execution: Execution = Execution(),
    progress: Progress | None = None,
) -> dict:
    """Trains a run and writes its record into a directory; returns the content of run.json.

    A checkpoint found there is resumed, and the result is that of an uninterrupted run but for the clocks.
    Raises LgnError for missing data, a device that is not there, or a checkpoint of other settings.
    """
    torch.set_num_threads(execution.threads)
    dataset, encoder = _data(run, data_dir)
    warm_up(run, execution)
    network = build_network(run, inputs=encoder.size)
    engine = make_engine(
        network, encoder, run.learning_rate, execution.backend, execution.device, execution.threads
    )
    return _train_on(engine, run, directory, dataset, encoder, execution, progress)


def train_seeds(
    runs: dict[Path, Run],
    data_dir: Path,
    execution: Execution = Execution(),
    progress: Callable[[Run], Progress] = lambda run: _silent,
) -> list[dict]:
    """Trains runs that differ in their seeds only, each into its directory; returns the contents of their run.json.

    With the triton backend all take each step together, in one launch, and each record's clock counts that launch for
    all; otherwise one trains after the other. Results are those of train(). A run that fails leaves the others to
    end; its error is raised then.
    """
    several = list(runs.values())
    if len({run.model_copy(update={"seed": 0}).hash for run in several}) > 1:
        raise LgnError("seed: runs that train together differ in more than their seeds; allowed: one setting")
    backend, device = resolve(execution.backend, execution.device)
    if backend != "triton" or len(several) == 1:
        return [train(run, path, data_dir, execution, progress(run)) for path, run in runs.items()]
    from lgn.kernels.gang import gang_engines

    dataset, encoder = _data(several[0], data_dir)
    warm_up(several[0], execution)
    networks = [build_network(run, inputs=encoder.size) for run in several]
    engines = gang_engines(networks, encoder, several[0].learning_rate, device)

    def train_member(engine, run: Run, directory: Path) -> dict:
        try:
            return _train_on(engine, run, directory, dataset, encoder, execution, progress(run))
        finally:
            engine.leave()

    with ThreadPoolExecutor(len(runs)) as threads:
        futures = [
            threads.submit(train_member, engine, run, directory)
            for engine, (directory, run) in zip(engines, runs.items(), strict=True)
        ]
        try:
            wait(futures)
        except BaseException as interrupt:
            engines[0].stop_all(interrupt)
            raise
    return [future.result() for future in futures]


def _data(run: Run, data_dir: Path) -> tuple[Dataset, np.ndarray]:
    """A run's data set and thresholds (count, pixels) uint8."""
    dataset = load(run.dataset, run.validation_share, data_dir)
    return dataset, thresholds(
        DATASETS[run.dataset], run.thresholds, run.threshold_placement, dataset.train[0]
    )


def _silent(iteration: int, row: dict[str, float] | None) -> None:
    """Progress that nobody watches."""


def _train_on(
    engine: Engine,
    run: Run,
    directory: Path,
    dataset: Dataset,
    encoder: np.ndarray,
    execution: Execution,
    progress: Progress | None,
) -> dict:
    """Trains a run's engine to the end and writes the record."""
    directory.mkdir(parents=True, exist_ok=True)
    trained = _Training(run, dataset, engine, directory, progress or _silent)
    trained.resume()
    status = trained.train()
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
    gates = {
        "counts": metrics.gate_counts(trained.gates),
        "entropies": trained.entropies.astype(np.float32),
        "initial_entropies": trained.initial_entropies.astype(np.float32),
    }
    weights = {name: tensor.cpu() for name, tensor in engine.network.state_dict().items()}
    records.write_record(directory, record, trained.history, gates, weights)
    return records.read_run(directory)


def evaluate_record(
    directory: Path, data_dir: Path, backend: str = "auto", device: str = "auto"
) -> dict[str, tuple[float | None, float]]:
    """Accuracies and gaps of a record's stored weights: column -> (as recorded, as measured now)."""
    record = records.read_run(directory)
    run = parse_run(record["settings"], str(directory / "run.json"))
    dataset, encoder = _data(run, data_dir)
    if dataset.sha256 != record["data_sha256"]:
        raise LgnError(
            f"{data_dir}: holds other {run.dataset} data than {directory / 'run.json'} was trained on"
        )
    network = build_network(run, inputs=encoder.size)
    network.load_state_dict(records.read_weights(directory))
    engine = make_engine(network, encoder, run.learning_rate, backend, device)
    columns = accuracy_columns(engine, run.estimator, evaluation_splits(run, dataset))
    return {name: (record["final"].get(name), value) for name, value in columns.items()}


def evaluation_splits(run: Run, dataset: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What accuracies are measured on: name -> (images, labels); of the training images the first so many."""
    images, labels = (part[: run.train_evaluation_images] for part in dataset.train)
    return {"train": (images, labels), "validation": dataset.validation, "test": dataset.test}


def build_network(run: Run, inputs: int) -> LogicNetwork:
    """The run's network as it is before training."""
    return LogicNetwork(
        inputs=inputs,
        classes=DATASETS[run.dataset].classes,
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
    engine = make_engine(
        build_network(tiny, inputs=encoder.size),
        encoder,
        run.learning_rate,
        execution.backend,
        execution.device,
        execution.threads,
    )
    pixels = np.zeros((run.batch_size, encoder.shape[1]), dtype=np.uint8)
    for _ in range(2):
        engine.step(pixels, np.zeros(run.batch_size, dtype=np.int64))
    engine.synchronize()


class _Training:
    """The state of a training between two evaluations: history, clocks and what the next row compares with."""

    def __init__(self, run: Run, dataset: Dataset, engine: Engine, directory: Path, progress: Progress):
        self.run, self.engine, self.directory, self.progress = run, engine, directory, progress
        self.network = engine.network
        self.images, self.labels = dataset.train
        self.splits = evaluation_splits(run, dataset)
        self.batches = Batches(len(self.labels), run.batch_size, run.seed)
        self.schedule = metrics.evaluation_schedule(run.iterations, run.evaluations)
        self.fingerprint = {
            "run_id": run.run_id,
            "semantics": TRAINING_SEMANTICS,
            "data_sha256": dataset.sha256,
        }
        self.history: list[dict[str, float]] = []
        self.training_seconds = 0.0
        self.elapsed_before = 0.0
        self.started = time.perf_counter()
        self.checkpointed = self.started
        self._measure_gates()
        self.initial_entropies = self.entropies
        self.unused_threshold = metrics.unused_threshold(self.initial_entropies)

    def train(self) -> str:
        """Runs to the end; returns the record's status."""
        status = "completed"
        if not self.history:
            self._evaluate()
        for target in self.schedule[self.schedule > self.history[-1]["iteration"]]:
            in_budget = self._train_to(int(target))
            row = self._evaluate()
            if not math.isfinite(row["loss"]):
                status = "diverged"
                break
            if not in_budget:
                status = "time_budget"
                break
            if time.perf_counter() - self.checkpointed > CHECKPOINT_SECONDS:
                self._checkpoint()
        return status

    def resume(self) -> None:
        """Takes over the checkpoint in the run's directory, if there is one."""
        found = records.read_checkpoint(self.directory)
        if found is None:
            return
        state, tensors = found
        if state["fingerprint"] != self.fingerprint:
            raise LgnError(
                f"{self.directory / records.CHECKPOINT}: was made by {state['fingerprint']}, "
                f"this run is {self.fingerprint}; remove it to start this run anew"
            )
        self.history = [
            {name: math.nan if v is None else v for name, v in row.items()} for row in state["history"]
        ]
        self.training_seconds = self.history[-1]["training_seconds"]
        self.elapsed_before = self.history[-1]["elapsed_seconds"]
        optimizer = {name: tensor for name, tensor in tensors.items() if name.startswith("adam_")}
        self.network.load_state_dict({name: t for name, t in tensors.items() if name not in optimizer})
        self.engine.load_optimizer_state(optimizer)
        self._measure_gates()

    def _checkpoint(self) -> None:
        history = [{name: None if math.isnan(v) else v for name, v in row.items()} for row in self.history]
        tensors = self.network.state_dict() | self.engine.optimizer_state()
        records.write_checkpoint(
            self.directory, {"fingerprint": self.fingerprint, "history": history}, tensors
        )
        self.checkpointed = time.perf_counter()

    def _train_to(self, target: int) -> bool:
        """Steps up to an iteration, inside the training clock; False where the time budget ended it before."""
        budget = self.run.time_budget_seconds or math.inf
        begun = shown = self._clock()
        iteration = int(self.network.iteration)
        spent = self.training_seconds
        while iteration < target and spent < budget:
            batch = self.batches[iteration]
            self.engine.step(self.images[batch], self.labels[batch])
            iteration += 1
            now = self._clock()
            spent = self.training_seconds + now - begun
            if now - shown > 0.5:
                self.progress(iteration, None)
                shown = now
        self.engine.synchronize()
        self.training_seconds += self._clock() - begun
        return iteration == target

    def _clock(self) -> float:
        """Seconds that stand still while step() waits for other runs."""
        return time.perf_counter() - self.engine.waited

    def _evaluate(self) -> dict[str, float]:
        """Appends a row to the history, outside the training clock."""
        before = self.gates
        self._measure_gates()
        row = {
            "iteration": int(self.network.iteration),
            "training_seconds": self.training_seconds,
            "elapsed_seconds": self.elapsed_before + time.perf_counter() - self.started,
            "loss": self.engine.mean_loss(),
        }
        row |= accuracy_columns(self.engine, self.run.estimator, self.splits)
        row |= metrics.entropy_columns(self.entropies, self.unused_threshold)
        row["gate_change_share"] = float((self.gates != before).mean()) if self.history else math.nan
        self.history.append(row)
        self.progress(row["iteration"], row)
        return row

    def _measure_gates(self) -> None:
        logits = np.stack([layer.detach().cpu().numpy() for layer in self.network.logits])
        self.entropies = metrics.entropies(logits)
        self.gates = logits.argmax(-1)
