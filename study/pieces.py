"""Trains a preset's runs one after another, in time slices: each call continues where the last one stopped."""

from collections.abc import Callable, Iterator
from pathlib import Path

from lgn.run import Run
from lgn.stopping import StopRequest
from lgn.train import train
from study.earlier import record_of
from study.preset import Preset, expand
from study.terminal import ProgressBar


def remaining(preset: Preset, runs: Path) -> list[Run]:
    """The runs without a record below `runs`, ordered by seed, then by sweep."""
    ordered = sorted(expand(preset), key=lambda run: _seeds(preset).index(run.seed))
    return [run for run in ordered if not _has_record(run, runs)]


def train_remaining(
    preset: Preset,
    runs: Path,
    data_dir: Path,
    stop: StopRequest,
    progress: Callable[[Run], ProgressBar],
) -> Iterator[dict]:
    """Trains the remaining runs one after another with the preset's `execution`; yields each run.json.

    The records are in the workflow's folders. When `stop` asks, it writes a checkpoint and raises Stopped. Raises
    LgnError if a record is of a version that trains differently.
    """
    for run in remaining(preset, runs):
        if _has_record(run, runs):
            continue  # Another process has trained it since.
        bar = progress(run)
        try:
            yield train(run, runs / run.run_id, data_dir, preset.execution, bar, stop)
        finally:
            bar.close()


def _has_record(run: Run, runs: Path) -> bool:
    return record_of(run, runs / run.run_id) is not None


def _seeds(preset: Preset) -> list[int]:
    """All seeds of a preset, in the order in which they are stated."""
    stated = [preset.seeds, *(sweep.seeds for sweep in preset.sweeps if sweep.seeds)]
    return list(dict.fromkeys(seed for seeds in stated for seed in seeds))
