"""Trainings that are killed repeatedly end with the bytes of an uninterrupted one."""

import contextlib
import itertools
import random
import signal
import time

import pytest
import torch
from training_process import (
    RECORD,
    SETTINGS,
    UNFINISHED,
    files,
    record_bytes,
    run,
    start,
    wait_until_it_trains,
)

from lgn.records import CHECKPOINT, read_checkpoint, write_checkpoint
from lgn.run import Execution, parse_run
from lgn.stopping import Stopped
from lgn.train import train
from study.seeds import train_seeds

PATHS = {
    "glgn": dict(noise="gumbel", straight_through=True),
    "dlgn": dict(noise="none", straight_through=False, temperature=1),
}


def kill_until_done(output, moments, number=signal.SIGKILL, **options):
    """Starts a training repeatedly, and kills it some time after its first checkpoint; returns the number of kills."""
    killed = 0
    for moment in moments:
        before = checkpoint_time(output)
        process = start(output, **options)
        while process.poll() is None and checkpoint_time(output) == before:
            time.sleep(0.002)
        time.sleep(moment)
        process.send_signal(number)
        process.communicate()
        if process.returncode == 0:
            return killed
        killed += 1
    status, printed = run(output, **options)
    assert status == 0, printed
    return killed


def checkpoint_time(output):
    try:
        return (output / CHECKPOINT).stat().st_mtime_ns
    except OSError:
        return None


def moments(count, seed=0, longest=0.15):
    generator = random.Random(seed)
    return [generator.uniform(0, longest) for _ in range(count)]


@pytest.mark.parametrize("method", PATHS)
def test_a_training_killed_at_random_moments_ends_in_the_same_bytes(tmp_path, method):
    options = PATHS[method] | dict(iterations=12_000)
    status, printed = run(tmp_path / "whole", **options)
    assert status == 0, printed
    killed = kill_until_done(tmp_path / "cut", moments(4), **options)
    assert killed >= 2
    assert record_bytes(tmp_path / "cut") == record_bytes(tmp_path / "whole")
    assert files(tmp_path / "cut") == RECORD


@pytest.mark.long
@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("method", PATHS)
@pytest.mark.parametrize("seed", range(3))
def test_a_training_killed_many_times_ends_in_the_same_bytes(tmp_path, method, backend, seed):
    """At random moments: during steps, evaluations, and writing of a checkpoint or the record."""
    iterations = 60_000 if backend == "numba" else 4_000
    options = PATHS[method] | dict(iterations=iterations, seed=seed, checkpoint_seconds=0.01)
    arguments = ("--backend", backend)
    status, printed = run(tmp_path / "whole", *arguments, **options)
    assert status == 0, printed
    for moment in moments(25, seed, longest=0.4):
        process = start(tmp_path / "cut", *arguments, **options)
        time.sleep(2.0 + moment)  # About when it has loaded its libraries.
        process.kill()
        process.communicate()
        if (tmp_path / "cut" / "run.json").exists():
            break
    status, printed = run(tmp_path / "cut", *arguments, **options)
    assert status == 0, printed
    assert record_bytes(tmp_path / "cut") == record_bytes(tmp_path / "whole")
    assert files(tmp_path / "cut") == RECORD


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_has_the_training_store_its_state_and_leave(tmp_path, number):
    """No checkpoint is due for an hour, so the signal must have caused the stored one."""
    options = dict(iterations=20_000)
    assert run(tmp_path / "whole", **options)[0] == 0
    process = start(tmp_path / "cut", checkpoint_seconds=3600, **options)
    wait_until_it_trains(process)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    last = printed.strip().splitlines()[-1]
    assert last.startswith("lgn: stopped, stored at iteration") and last.endswith("goes on from there")
    assert files(tmp_path / "cut") == UNFINISHED
    state, tensors = read_checkpoint(tmp_path / "cut")
    assert 0 < int(tensors["iteration"]) < 20_000 and state["training_seconds"] > 0
    assert run(tmp_path / "cut", **options)[0] == 0
    assert record_bytes(tmp_path / "cut") == record_bytes(tmp_path / "whole")


def test_a_signal_before_training_ends_the_process_at_once(tmp_path):
    process = start(tmp_path / "x")
    time.sleep(0.3)
    process.terminate()
    printed, _ = process.communicate(timeout=30)
    assert process.returncode in (143, -signal.SIGTERM)
    assert "Traceback" not in printed
    assert not (tmp_path / "x" / "run.json").exists()


class StopAt:
    """A stop request that becomes true after a number of checks."""

    signal = signal.SIGTERM

    def __init__(self, looks):
        self.looks = looks

    def __bool__(self):
        self.looks -= 1
        return self.looks < 0

    def watched(self):
        return contextlib.nullcontext()


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("straight_through", [True, False])
def test_wherever_a_training_is_stopped_it_goes_on_to_the_same_bytes(tmp_path, backend, straight_through):
    """Between any two steps, and between any two parts of an evaluation, also of the first one."""
    settings = SETTINGS | {"iterations": 40, "evaluations": 6, "straight_through": straight_through}
    run_, execution = parse_run(settings), Execution(backend=backend, device="cpu")
    train(run_, tmp_path / "whole", tmp_path, execution)
    stopped_at = set()
    for looks in (0, 3, 9, 12, 17, 30, 41, 55):
        for _ in range(100):
            try:
                train(run_, tmp_path / "cut", tmp_path, execution, stop=StopAt(looks))
                break
            except Stopped:
                state, tensors = read_checkpoint(tmp_path / "cut")
                stopped_at.add((int(tensors["iteration"]), len(state["history"])))
                looks += 1
        assert record_bytes(tmp_path / "cut") == record_bytes(tmp_path / "whole")
    assert len(stopped_at) > 12


def test_seeds_that_train_one_after_another_go_on_where_they_were_stopped(tmp_path):
    runs = {
        tmp_path / f"{seed}": parse_run(SETTINGS | {"iterations": 30, "evaluations": 4, "seed": seed})
        for seed in (0, 1)
    }
    execution = Execution(backend="torch", device="cpu")
    with pytest.raises(Stopped):
        train_seeds(runs, tmp_path, execution, stop=StopAt(100))
    first, second = runs
    finished = (first / "run.json").stat().st_mtime_ns
    assert not (second / "run.json").exists()
    train_seeds(runs, tmp_path, execution)
    assert (first / "run.json").stat().st_mtime_ns == finished
    for directory, run_ in runs.items():
        train(run_, tmp_path / "alone", tmp_path, execution)
        assert record_bytes(directory) == record_bytes(tmp_path / "alone")


def test_writing_checkpoints_takes_little_of_the_time(tmp_path, monkeypatch):
    """The time to the next checkpoint is at least a hundred times the duration of the last one."""
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr("lgn.state.CHECKPOINT_SECONDS", 0.0)
    written = []
    monkeypatch.setattr("lgn.state.write_checkpoint", lambda *arguments: written.append(next(clock)))
    train(
        parse_run(SETTINGS | {"iterations": 300, "evaluations": 2}),
        tmp_path,
        tmp_path,
        Execution(backend="torch"),
    )
    assert len(written) >= 2
    assert min(later - earlier for earlier, later in itertools.pairwise(written)) >= 100


def test_a_checkpoint_holds_what_it_was_given(tmp_path):
    tensors = {"x": torch.arange(6, dtype=torch.float32).reshape(2, 3)[:, :2], "n": torch.tensor(3)}
    state = {"history": [{"loss": float("nan")}], "seconds": 0.1 + 0.2}
    write_checkpoint(tmp_path, state, tensors)
    found, read = read_checkpoint(tmp_path)
    assert repr(found) == repr(state)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)
