"""Faults around Snakemake: two in one folder, one killed during its work, a preset changed during a study."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from test_workflow import TINY, jobs, snakemake, snakemake_command
from training_process import RECORD, files, record_bytes

from lgn.records import SNAPSHOTS

LONG = TINY | {
    "base": TINY["base"] | {"iterations": 10**7, "evaluations": 4},
    "seeds": [0],
    "sweeps": [{"set": {"method": "glgn"}}],
}


def started(folder, preset):
    """Snakemake in a process group of its own, so that it can be killed with all its jobs."""
    return subprocess.Popen(
        snakemake_command(folder, "runs", preset=preset),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_until_a_job_trains(process):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if ": iteration 0/" in line:
            return
    raise AssertionError("".join(lines))


def kill_all(process, number=signal.SIGKILL):
    os.killpg(process.pid, number)
    process.communicate()


def record_folders(folder, preset="tiny"):
    return sorted((Path(folder) / "results" / preset / "runs").iterdir())


def test_a_second_snakemake_on_the_folder_is_refused_and_the_first_goes_on(tmp_path):
    first = started(tmp_path, LONG)
    wait_until_a_job_trains(first)
    try:
        second = snakemake(tmp_path, "runs", preset=LONG)
        assert second.returncode != 0
        assert "cannot be locked" in second.stdout
        assert first.poll() is None
    finally:
        kill_all(first)


@pytest.mark.long
def test_killing_everything_at_once_loses_no_finished_run_and_the_next_call_ends_the_rest(tmp_path):
    """kill -9 of Snakemake with all its jobs, as when the power goes; several times."""
    preset = TINY | {"base": TINY["base"] | {"iterations": 3000, "evaluations": 20}, "seeds": [0, 1, 2]}
    whole = snakemake(tmp_path / "whole", "runs", preset=preset)
    assert whole.returncode == 0, whole.stdout
    kept = {}
    for _ in range(3):
        process = started(tmp_path / "cut", preset)
        wait_until_a_job_trains(process)
        time.sleep(1.0)
        kill_all(process)
        finished = [d for d in record_folders(tmp_path / "cut") if (d / "run.json").exists()]
        for directory, content in kept.items():
            assert directory in finished and (directory / "run.json").read_bytes() == content
        kept = {directory: (directory / "run.json").read_bytes() for directory in finished}
        snakemake(tmp_path / "cut", "--unlock", preset=preset)
    done = snakemake(tmp_path / "cut", "runs", "--rerun-incomplete", preset=preset)
    assert done.returncode == 0, done.stdout
    for ours, theirs in zip(
        record_folders(tmp_path / "cut"), record_folders(tmp_path / "whole"), strict=True
    ):
        assert ours.name == theirs.name and files(ours) == files(theirs)
        assert set(files(ours)) == {*RECORD, SNAPSHOTS}
        assert record_bytes(ours) == record_bytes(theirs)
        assert (ours / SNAPSHOTS).read_bytes() == (theirs / SNAPSHOTS).read_bytes()


def test_terminating_snakemake_has_its_trainings_store_their_state(tmp_path):
    process = started(tmp_path, LONG)
    wait_until_a_job_trains(process)
    os.killpg(process.pid, signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    (directory,) = record_folders(tmp_path)
    assert files(directory) == ["checkpoint.safetensors"], printed


@pytest.mark.long
def test_a_preset_changed_half_way_keeps_the_records_there_are_and_mixes_none(tmp_path):
    """Another number of iterations is another run: trained beside the old ones, which stay and are not collected."""
    half = snakemake(tmp_path, "runs", preset=TINY | {"seeds": [0]})
    assert half.returncode == 0, half.stdout
    old = {directory: (directory / "run.json").read_bytes() for directory in record_folders(tmp_path)}
    changed = TINY | {"base": TINY["base"] | {"iterations": 41}}
    done = snakemake(tmp_path, "collect", preset=changed)
    assert done.returncode == 0, done.stdout
    rows = (tmp_path / "results/tiny/runs.csv").read_text().splitlines()
    assert len(rows) == 1 + 4
    assert not any(directory.name in row for row in rows for directory in old)
    assert all((directory / "run.json").read_bytes() == content for directory, content in old.items())
    back = snakemake(tmp_path, "runs", "--dry-run", preset=TINY)
    assert jobs(back.stdout).get("train") == 2  # seed 1; those of seed 0 are still there


def test_a_record_that_was_damaged_is_named_and_trained_again_when_removed(tmp_path):
    done = snakemake(tmp_path, "collect")
    assert done.returncode == 0, done.stdout
    first, *others = record_folders(tmp_path)
    before = record_bytes(first)
    kept = {directory: (directory / "run.json").read_bytes() for directory in others}
    (first / "history.csv").write_bytes((first / "history.csv").read_bytes()[:-20])
    (tmp_path / "results/tiny/runs.csv").unlink()
    failed = snakemake(tmp_path, "collect")
    assert failed.returncode != 0
    assert f"{first.name}/history.csv: " in failed.stdout
    shutil.rmtree(first)
    again = snakemake(tmp_path, "collect")
    assert again.returncode == 0, again.stdout
    assert record_bytes(first) == before
    assert all((directory / "run.json").read_bytes() == content for directory, content in kept.items())
