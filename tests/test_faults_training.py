"""Faults around a training, each caused on purpose: one clear line, a non-zero exit status, no earlier result lost."""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
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

from lgn import memory
from lgn.cli import main
from lgn.errors import LgnError
from lgn.records import CHECKPOINT, read_checkpoint
from lgn.run import Execution, parse_run
from lgn.train import train

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def one_line(printed: str) -> str:
    """The error message; besides it there is only progress."""
    lines = [line for line in printed.splitlines() if ": iteration " not in line]
    assert len(lines) == 1, printed
    return lines[0]


def file_size_limit(size):
    """Writing beyond so many bytes fails, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def address_space_limit(size):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))


def bound_by_permissions():
    """Root too is refused what the permissions of a file refuse."""
    if os.geteuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """(folder of an interrupted run, folder of the same run left alone)."""
    folder = tmp_path_factory.mktemp("interrupted")
    assert run(folder / "whole", iterations=4000)[0] == 0
    process = start(folder / "cut", iterations=4000, checkpoint_seconds=3600)
    wait_until_it_trains(process)
    process.terminate()
    process.communicate()
    assert files(folder / "cut") == UNFINISHED
    return folder / "cut", folder / "whole"


@pytest.fixture
def half_done(interrupted, tmp_path):
    """A copy of the interrupted run."""
    return shutil.copytree(interrupted[0], tmp_path / "run")


def goes_on(directory, interrupted):
    status, printed = run(directory, iterations=4000)
    assert status == 0, printed
    assert record_bytes(directory) == record_bytes(interrupted[1])
    assert files(directory) == RECORD


def test_a_disk_that_is_full_for_the_checkpoint_keeps_the_one_before(half_done, interrupted):
    before = (half_done / CHECKPOINT).read_bytes()
    limit = file_size_limit(len(before) // 2)
    status, printed = run(half_done, limit=limit, iterations=4000, checkpoint_seconds=0)
    assert status == 2
    assert one_line(printed).startswith(f"lgn: {half_done / CHECKPOINT}: cannot be written (File too large)")
    assert files(half_done) == UNFINISHED and (half_done / CHECKPOINT).read_bytes() == before
    goes_on(half_done, interrupted)


def test_a_disk_that_is_full_for_the_record_keeps_the_checkpoint(half_done, interrupted):
    """The history is written after the weights; without run.json none of it counts as a record."""
    limit = file_size_limit(len((interrupted[1] / "weights.safetensors").read_bytes()) - 1)
    status, printed = run(half_done, limit=limit, iterations=4000, checkpoint_seconds=3600)
    assert status == 2
    assert "weights.safetensors: cannot be written (File too large)" in one_line(printed)
    assert files(half_done) == UNFINISHED
    goes_on(half_done, interrupted)


def test_a_file_system_without_room_is_named(half_done, interrupted, tmp_path):
    """A real one, where this process may mount one."""
    small = tmp_path / "small"
    small.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", small], capture_output=True)
    if mount.returncode:
        pytest.skip(f"no file system can be mounted here: {mount.stderr.decode().strip()}")
    try:
        directory = shutil.copytree(half_done, small / "run")
        (small / "filling").write_bytes(bytes(30_000))
        status, printed = run(directory, iterations=4000, checkpoint_seconds=0)
        assert status == 2
        assert f"{CHECKPOINT}: cannot be written (No space left on device)" in one_line(printed)
        assert files(directory) == UNFINISHED
        shutil.copytree(directory, tmp_path / "saved")
    finally:
        subprocess.run(["umount", small], check=True)
    goes_on(tmp_path / "saved", interrupted)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_checkpoint_with_one_wrong_bit_is_refused_and_kept(half_done, share):
    path = half_done / CHECKPOINT
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 4
    path.write_bytes(content)
    status, printed = run(half_done, iterations=4000)
    assert status == 2
    assert one_line(printed).startswith(f"lgn: {path}: ") and printed.strip().endswith("start this run anew")
    assert path.read_bytes() == content


@pytest.mark.parametrize("size", [0, 7, 1000, -1])
def test_a_truncated_checkpoint_is_refused_and_kept(half_done, size):
    path = half_done / CHECKPOINT
    path.write_bytes(path.read_bytes()[:size])
    status, printed = run(half_done, iterations=4000)
    assert status == 2
    assert one_line(printed).startswith(f"lgn: {path}: cannot be read as safetensors")


def test_a_checkpoint_of_other_settings_is_refused_and_kept(half_done):
    before = (half_done / CHECKPOINT).read_bytes()
    status, printed = run(half_done, iterations=4001)
    assert status == 2
    assert "was made by" in one_line(printed) and "remove it to start this run anew" in printed
    assert (half_done / CHECKPOINT).read_bytes() == before


def test_what_a_crash_left_half_written_is_not_read_and_not_left_behind(half_done, interrupted):
    (half_done / f".{CHECKPOINT}.partial").write_bytes(b"half")
    (half_done / ".run.json.partial").write_bytes(b"{")
    goes_on(half_done, interrupted)


def test_a_second_process_on_the_same_folder_is_refused_and_the_first_goes_on(tmp_path):
    first = start(tmp_path / "run", iterations=10**8)
    wait_until_it_trains(first)
    try:
        status, printed = run(tmp_path / "run", iterations=10**8)
        assert status == 2
        complaint = f"lgn: {tmp_path / 'run'}: another process is training into it; allowed: one at a time"
        assert one_line(printed) == complaint
        assert first.poll() is None
    finally:
        first.terminate()
        first.communicate()
    assert files(tmp_path / "run") == UNFINISHED


def test_a_folder_that_cannot_be_written_is_named(half_done, interrupted):
    half_done.chmod(0o555)
    try:
        status, printed = run(half_done, limit=bound_by_permissions, iterations=4000, checkpoint_seconds=0)
        assert status == 2
        assert f"{half_done / CHECKPOINT}: cannot be written (Permission denied)" in one_line(printed)
        status, printed = run(half_done / "below", limit=bound_by_permissions)
        assert status == 2
        assert f"{half_done / 'below'}: cannot be made (Permission denied)" in one_line(printed)
    finally:
        half_done.chmod(0o755)
    goes_on(half_done, interrupted)


@pytest.mark.parametrize(
    "method", [dict(noise="gumbel", straight_through=True), dict(noise="none", straight_through=False)]
)
def test_a_training_that_overflows_is_recorded_said_and_told_by_the_exit_status(tmp_path, method):
    """A group temperature this small makes gradients infinite and logits NaN."""
    settings = method | dict(iterations=20, evaluations=3, group_temperature="1.0e-44")
    status, printed = run(tmp_path / "run", **settings)
    assert status == 3
    assert "its loss, logits or gradients became NaN or infinite; its record says so" in printed
    assert '"status": "diverged"' in (tmp_path / "run" / "run.json").read_text()
    assert run(tmp_path / "accepted", "--accept-diverged", **settings)[0] == 0


@pytest.mark.parametrize(
    ("settings", "backend"), [(dict(width=10**8), "numba"), (dict(depth=1000, width=10**6), "torch")]
)
def test_a_network_too_large_for_the_memory_is_refused_before_it_is_made(tmp_path, settings, backend):
    begun = time.monotonic()
    status, printed = run(tmp_path / "run", "--backend", backend, "--device", "cpu", **settings)
    assert status == 2
    line = one_line(printed)
    assert line.startswith(f"lgn: width: {settings['width']} at depth") and "GiB that are free" in line
    assert not (tmp_path / "run").exists()
    assert time.monotonic() - begun < 120


def test_a_limit_on_the_process_counts_as_the_memory_there_is(tmp_path):
    """Where batch systems set one, without a control group."""
    status, printed = run(tmp_path / "run", limit=address_space_limit(12 * 2**30), width=4_000_000)
    assert status == 2
    assert "GiB of memory; allowed: the" in one_line(printed)


def test_a_full_gpu_is_one_line(monkeypatch, capsys):
    def full(options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore lines of it.")

    monkeypatch.setattr("study.cli._keys", full)
    assert main(["keys"]) == 2
    told = capsys.readouterr().err
    assert told == "lgn: out of memory on the device: CUDA out of memory. Tried to allocate 2.00 GiB.\n"


def test_an_error_of_another_kind_is_not_taken_for_a_full_gpu(monkeypatch):
    def broken(options):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr("study.cli._keys", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        main(["keys"])


def test_snapshots_count_in_the_memory_estimate():
    run_ = parse_run(SETTINGS | {"width": 100_000})
    without, some = (memory.needed_bytes([run_], "numba", "cpu", snapshots) for snapshots in (0, 8))
    assert some - without >= 2 * 8 * 64 * run_.depth * run_.width


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("straight_through", ["true", "false"])
def test_the_memory_estimate_is_above_what_is_taken_and_not_far_above(tmp_path, backend, straight_through):
    settings = dict(
        iterations=3, evaluations=2, straight_through=straight_through, batch_size=128,
        width=60_000 if backend == "numba" else 10_000, depth=4,
    )  # fmt: skip
    program = (
        "import math, sys\n"
        "from lgn import state\n"
        "state.CHECKPOINT_SECONDS, state.CHECKPOINT_SHARE = 0.0, math.inf\n"
        "from lgn.cli import main\n"
        "status = main(sys.argv[1:])\n"
        # Of this program's own memory: getrusage counts that of the process it was forked from.
        "high = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print('peak', 1024 * int(high.split()[1]))\n"
        "sys.exit(status)\n"
    )
    pairs = [f"{key}={value}" for key, value in (SETTINGS | settings).items()]
    done = subprocess.run(
        [sys.executable, "-c", program, "train", *pairs, "--output", tmp_path / "run", "--backend", backend],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    peak = int(done.stdout.split("peak")[1])
    parsed = parse_run(SETTINGS | settings | {"straight_through": straight_through == "true"})
    estimate = memory.needed_bytes([parsed], backend, "cpu")
    assert peak < estimate < 3 * peak


def test_a_gpu_that_is_not_there_is_refused(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    status, printed = run(tmp_path / "run", "--device", "cuda")
    assert status == 2
    assert one_line(printed) == "lgn: device: cuda was asked for, but torch sees no GPU here; allowed: cpu"


def test_damage_names_the_file_in_the_library_too(half_done):
    path = half_done / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(LgnError, match="checkpoint.safetensors: cannot be read"):
        read_checkpoint(half_done)


def test_a_date_that_jumps_moves_no_clock_of_the_record(tmp_path, monkeypatch):
    """Back and forth by years, as an unset clock does when the network corrects it."""
    jumps = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: (-1) ** next(jumps) * 1e8 + 1.7e9)
    monkeypatch.setattr(time, "time_ns", lambda: (-1) ** next(jumps) * 10**17 + 17 * 10**17)
    settings = parse_run(
        dict(
            dataset="digits", thresholds=2, depth=2, width=50, temperature=1, noise="none", straight_through=False,
            group_temperature=4, batch_size=16, iterations=30, evaluations=10, seed=0,
        )
    )  # fmt: skip
    train(settings, tmp_path, tmp_path, Execution(backend="torch"))
    lines = (tmp_path / "history.csv").read_text().splitlines()
    columns = lines[0].split(",")
    for name in ("training_seconds", "elapsed_seconds"):
        clock = [float(line.split(",")[columns.index(name)]) for line in lines[1:]]
        assert clock == sorted(clock) and 0 <= clock[0] and clock[-1] < 600
