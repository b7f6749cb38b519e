"""Trains runs that differ only in their seeds: batched on a GPU, one after another elsewhere."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from lgn import records
from lgn.errors import LgnError
from lgn.kernels.abilities import FUSED, is_fused
from lgn.memory import require_memory
from lgn.prepare import backend_of, build_network, read_data, warm_up
from lgn.run import Execution, Run
from lgn.stopping import StopRequest
from lgn.train import Progress, silent, train, train_on
from study.earlier import INSTEAD, record_of, require_same_execution


def train_seeds(
    runs: dict[Path, Run],
    data_dir: Path,
    execution: Execution = Execution(),
    progress: Callable[[Run], Progress] = lambda run: silent,
    stop: StopRequest | None = None,
    again: bool = False,
    keep: str | None = None,
) -> list[dict]:
    """Trains runs that differ only in their seeds, each into its directory; returns the contents of their run.json.

    With the triton backend's fused step the seeds are batched: each step is one launch for all, and every record's
    clock counts the whole launch. Otherwise they train one after another. Results and `keep` are as in train(). A run
    with a record of the same training is skipped, so that an interrupted call continues; again: train all, and replace
    records. If a run fails, the others still finish; then its error is raised. Before training, raises LgnError if a
    record has other settings, another version or another execution, or lacks the checkpoint that is to be kept.
    """
    if len({run.model_copy(update={"seed": 0}).hash for run in runs.values()}) > 1:
        raise LgnError("seed: runs that train together differ in more than their seeds; allowed: one setting")
    left = {path: run for path, run in runs.items() if again or not _is_trained(path, run, execution, keep)}
    fused = [run for run in left.values() if is_fused(run.estimator)]
    if len(fused) > 1 and backend_of(fused[0], execution)[0] == "triton":
        _train_together(left, data_dir, execution, progress, stop, keep)
    else:
        _train_in_turn(left, data_dir, execution, progress, stop, keep)
    return [records.read_run(path) for path in runs]


def _is_trained(directory: Path, run: Run, execution: Execution, keep: str | None) -> bool:
    """Whether the record that training would give already exists. Raises LgnError if there is another record."""
    record = record_of(run, directory)
    if record is None:
        return False
    require_same_execution(record, run, directory, execution)
    if keep and not (directory / keep).exists():
        raise LgnError(f"{directory / keep}: was not kept when this run trained; {INSTEAD}")
    return True


def _train_in_turn(
    runs: dict[Path, Run],
    data_dir: Path,
    execution: Execution,
    progress: Callable[[Run], Progress],
    stop: StopRequest | None,
    keep: str | None,
) -> None:
    failures = []
    for path, run in runs.items():
        try:
            train(run, path, data_dir, execution, progress(run), stop, keep)
        except LgnError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _train_together(
    runs: dict[Path, Run],
    data_dir: Path,
    execution: Execution,
    progress: Callable[[Run], Progress],
    stop: StopRequest | None,
    keep: str | None,
) -> None:
    from lgn.kernels.gpu.seed_engines import seed_engines

    several = list(runs.values())
    one = several[0]
    if one.optimizer not in FUSED:
        raise LgnError(
            f"optimizer: {one.optimizer} for seeds that train together; allowed: {', '.join(FUSED)}"
        )
    backend, device = backend_of(one, execution)
    require_memory(several, backend, device, execution.snapshots)
    dataset, encoder = read_data(one, data_dir)
    warm_up(one, execution)
    networks = [build_network(run, inputs=encoder.size) for run in several]
    engines = seed_engines(networks, encoder, one.optimizer_settings, device)

    def train_seed(engine, run: Run, directory: Path) -> None:
        try:
            train_on(engine, run, directory, dataset, encoder, execution, progress(run), stop, keep)
        finally:
            engine.leave()

    with ThreadPoolExecutor(len(runs)) as threads:
        futures = [
            threads.submit(train_seed, engine, run, directory)
            for engine, (directory, run) in zip(engines, runs.items(), strict=True)
        ]
        try:
            wait(futures)
        except BaseException as interrupt:
            engines[0].stop_all(interrupt)
            raise
    for future in futures:
        future.result()
