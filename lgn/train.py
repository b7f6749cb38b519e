"""Trains one run, from its start or its checkpoint, and writes its record."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from lgn import HISTORY_VERSION, RECORD_VERSION, TRAINING_SEMANTICS, metrics
from lgn.data import Dataset
from lgn.data.splits import batch_labels, training_labels
from lgn.evaluate import accuracy_columns, entropies_and_gates, evaluation_splits
from lgn.files import make_folder, only_process
from lgn.kernels import Engine
from lgn.machine import describe
from lgn.memory import require_memory
from lgn.network import LogicNetwork
from lgn.prepare import backend_of, build_network, engine_of, read_data, warm_up
from lgn.randomness import Batches
from lgn.records import read_run, write_record
from lgn.run import Execution, Run
from lgn.state import State
from lgn.stopping import Stopped, StopRequest

Progress = Callable[[int, dict[str, float] | None], None]
"""Called with the current iteration, and with the history row if one was just made."""

SHOWN_SECONDS = 0.5
"""The shortest time between two calls of Progress, and between two checks whether a checkpoint is due."""


def silent(iteration: int, row: dict[str, float] | None) -> None:
    """A Progress that does nothing."""


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

    Resumes a checkpoint if there is one; apart from the clocks the record is the same as without the interruption.
    Replaces an old record; study.seeds.train_seeds refuses to. When `stop` asks, it writes a checkpoint and raises
    Stopped. keep: also stores a checkpoint of the end under this name. Raises LgnError for missing data, a missing
    device, too little memory, a directory that cannot be written or is in use, and a checkpoint that is damaged or of
    another run.
    """
    torch.set_num_threads(execution.threads)
    backend, device = backend_of(run, execution)
    require_memory([run], backend, device, execution.snapshots)
    dataset, encoder = read_data(run, data_dir)
    warm_up(run, execution)
    engine = engine_of(run, build_network(run, inputs=encoder.size), encoder, execution)
    return train_on(engine, run, directory, dataset, encoder, execution, progress, stop, keep)


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
    stop = StopRequest() if stop is None else stop
    with only_process(directory):
        fingerprint = {
            "run_id": run.run_id,
            "semantics": TRAINING_SEMANTICS,
            "data_sha256": dataset.sha256,
            "snapshots": execution.snapshots,
            "history": HISTORY_VERSION,
        }
        initial_entropies, gates = entropies_and_gates(engine.network)
        state = State(engine, directory, fingerprint, gates)
        state.resume()
        with stop.watched():
            status = _train(state, run, dataset, execution.snapshots, progress or silent, stop)
            if keep:
                state.store(keep)
            # A stop request changes nothing now: finishing takes less time than writing a checkpoint.
            _write(state, run, status, dataset, encoder, execution, initial_entropies)
    return read_run(directory)


def _train(
    state: State, run: Run, dataset: Dataset, snapshots: int, progress: Progress, stop: StopRequest
) -> str:
    """Trains to the end; returns the record's status. On a stop request it stores a checkpoint and raises Stopped."""
    engine, network, clock = state.engine, state.engine.network, state.clock
    images = dataset.train.images
    labels = training_labels(dataset.train.labels, run.training_labels, run.seed)
    batches = Batches(len(labels), run.batch_size, run.seed)
    splits = evaluation_splits(run, dataset)
    schedule = metrics.evaluation_schedule(run.iterations, run.evaluations)
    snapshot_iterations = metrics.snapshot_schedule(schedule, snapshots).tolist()
    budget = run.time_budget_seconds or math.inf
    iteration = int(network.iteration)

    def leave_if_asked() -> None:
        if stop:
            state.checkpoint()
            raise Stopped(f"stored at iteration {iteration} in {state.directory}", stop.signal or 0)

    for target in schedule[schedule > state.last_row_at].tolist():
        while iteration < target and clock.training_seconds < budget:
            clock.start()
            shown = clock.training_seconds
            while iteration < target and clock.training_seconds < budget and not stop:
                batch = batches[iteration]
                given = batch_labels(labels[batch], run.training_labels, run.seed, iteration, network.classes)
                if run.final_temperature is not None:
                    network.estimator = run.estimator_at(iteration)
                engine.step(images[batch], given)
                iteration += 1
                clock.tick()
                if clock.training_seconds - shown > SHOWN_SECONDS:
                    progress(iteration, None)
                    shown = clock.training_seconds
                    if clock.checkpoint_is_due():
                        break
            engine.synchronize()
            clock.tick()
            leave_if_asked()
            if clock.checkpoint_is_due():
                state.checkpoint()
        # No step follows the last row, even if some of the budget is left.
        in_budget = iteration == target and (target == run.iterations or clock.training_seconds < budget)
        row = _row(state, run, splits, target == run.iterations or not in_budget, leave_if_asked)
        state.history.append(row)
        if iteration in snapshot_iterations:
            state.snapshots[iteration] = torch.stack([x.detach().cpu() for x in network.logits])
        progress(iteration, row)
        if iteration and _has_diverged(row, network):
            return "diverged"
        if not in_budget:
            return "time_budget"
    return "completed"


def _row(
    state: State,
    run: Run,
    splits: dict[str, tuple[np.ndarray, np.ndarray]],
    last: bool,
    leave_if_asked: Callable[[], None],
) -> dict[str, float]:
    """A row of history, measured outside the training clock. Earlier rows may use fewer test images than the last."""
    engine, network = state.engine, state.engine.network
    iteration = int(network.iteration)
    if run.final_temperature is not None:
        network.estimator = run.estimator_at(iteration)
    if not last:
        images, labels = splits["test"]
        count = run.test_evaluation_images
        splits = splits | {"test": (images[:count], labels[:count])}
    # First, because it may raise Stopped: the checkpoint then holds nothing of this evaluation.
    accuracies = accuracy_columns(engine, run.estimator, splits, leave_if_asked)
    entropies, gates = entropies_and_gates(network)
    changed = float((gates != state.gates).mean()) if state.history else math.nan
    state.gates = gates
    squares = (square.detach().cpu().numpy() for square in engine.squared_gradients())
    return {
        "iteration": iteration,
        "training_seconds": state.clock.training_seconds,
        "elapsed_seconds": state.clock.elapsed(),
        "loss": state.mean_loss(),
        **accuracies,
        **metrics.entropy_columns(entropies, metrics.unused_threshold()),
        **metrics.gradient_columns(squares, iteration, run.optimizer_settings, run.depth),
        "gate_change_share": changed,
    }


def _has_diverged(row: dict[str, float], network: LogicNetwork) -> bool:
    """Whether loss, parameters or gradients are not finite.

    Straight-through activations are bits even for NaN logits, so the loss does not show them. If squared gradients
    overflow, as at a large loss_scale, Adam's steps are 0, and only gradient_rms shows it.
    """
    overflow = any(math.isinf(row[name]) for name in row if name.startswith("gradient_rms"))
    finite = all(bool(layer.detach().isfinite().all()) for layer in network.parameters())
    return overflow or not (math.isfinite(row["loss"]) and finite)


def described(run: Run, dataset: Dataset, inputs: int, engine: Engine, execution: Execution) -> dict:
    """What run.json says of every record: the run, the versions, the machine and the data."""
    return {
        "run_id": run.run_id,
        "method": run.method,
        "record_version": RECORD_VERSION,
        "training_semantics": TRAINING_SEMANTICS,
        "settings": run.model_dump(),
        "environment": describe(engine.name, engine.device, execution.threads, engine.together),
        "data_sha256": dataset.sha256,
        "inputs": inputs,
        "unused_threshold": metrics.unused_threshold(),
    }


def _write(
    state: State,
    run: Run,
    status: str,
    dataset: Dataset,
    encoder: np.ndarray,
    execution: Execution,
    initial_entropies: np.ndarray,
) -> None:
    engine = state.engine
    record = described(run, dataset, encoder.size, engine, execution)
    record |= {"status": status, "final": state.history[-1]}
    if state.continued_from:
        record["continued_from"] = state.continued_from
    entropies, gates = entropies_and_gates(engine.network)
    arrays = {
        "counts": metrics.gate_counts(gates),
        "entropies": entropies.astype(np.float32),
        "initial_entropies": initial_entropies.astype(np.float32),
    }
    weights = {name: tensor.cpu() for name, tensor in engine.network.state_dict().items()}
    write_record(state.directory, record, state.history, arrays, weights, state.snapshots)
