"""A preset in pieces: stopped by the clock over and over, it ends in the records of an undisturbed run."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from training_process import SETTINGS, record_bytes

from lgn.cli import main
from lgn.stopping import Stopped, StopRequest
from lgn.train import train
from study.pieces import remaining, train_remaining
from study.preset import parse_preset, read_preset
from study.terminal import ProgressBar

ROOT = Path(__file__).resolve().parent.parent
TIME_IS_UP = 128 + signal.SIGALRM


def tiny_preset(folder, seeds=2, iterations=20_000):
    """The paper preset's first sweep, shrunk to nets that train in seconds."""
    base = {k: v for k, v in SETTINGS.items() if k not in ("seed", "noise", "straight_through")}
    preset = {
        "preset": "tiny",
        "base": base | {"iterations": iterations},
        "seeds": [1, 0][:seeds],
        "sweeps": [{"vary": {"depth": [3, 2], "method": ["dlgn", "glgn"]}}],
        "execution": {"backend": "numba", "device": "cpu"},
        "results_dir": str(folder / "results"),
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(preset))
    return folder / "tiny.yaml"


def test_the_runs_that_matter_most_come_first(tmp_path):
    preset = read_preset(tiny_preset(tmp_path))
    order = [(run.seed, run.depth, run.method) for run in remaining(preset, tmp_path)]
    assert order == [(s, d, m) for s in (1, 0) for d in (3, 2) for m in ("dlgn", "glgn")]
    paper = read_preset(ROOT / "config/paper.yaml")
    first = [
        (run.dataset, run.depth, run.width, run.method, run.seed) for run in remaining(paper, tmp_path)[:2]
    ]
    assert first == [("cifar10", 12, 256_000, "dlgn", 0), ("cifar10", 12, 256_000, "glgn", 0)]


def test_pieces_end_in_the_records_of_an_undisturbed_run(tmp_path, monkeypatch, capsys):
    """The first piece has a process of its own, as a user's; the others share one that has compiled the kernels."""
    preset = tiny_preset(tmp_path, seeds=1, iterations=3_000)
    config = yaml.safe_load(preset.read_text()) | {"results_dir": str(tmp_path / "whole")}
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("LGN_DATA", str(tmp_path / "none"))
    assert main(["pieces", str(tmp_path / "whole.yaml"), "--seconds", "1000"]) == 0
    command = [sys.executable, "-m", "lgn", "pieces", str(preset), "--seconds"]
    first = subprocess.run([*command, "1"], capture_output=True, text=True, check=False)
    statuses = [first.returncode]
    while statuses[-1] == TIME_IS_UP:
        statuses.append(main([*command[3:], "0.3"]))
        assert len(statuses) < 100, capsys.readouterr().err
    assert len(statuses) > 2 and statuses[-1] == 0, first.stderr
    assert capsys.readouterr().out.endswith(
        f"all 4 runs of tiny have a record in {tmp_path}/results/tiny/runs\n"
    )
    pieces, whole = tmp_path / "results/tiny/runs", tmp_path / "whole/tiny/runs"
    assert len(list(whole.iterdir())) == 4 and remaining(parse_preset(config), whole) == []
    for record in whole.iterdir():
        assert record_bytes(record) == record_bytes(pieces / record.name)


def test_being_stopped_passes_through_libraries_that_catch_every_exception():
    """Numba would make a typing error of it, and the exit status 1."""
    with pytest.raises(Stopped):
        try:
            StopRequest().ask(signal.SIGTERM)
        except Exception:
            raise AssertionError("caught") from None


def test_a_run_that_another_process_has_trained_meanwhile_is_not_trained_again(tmp_path):
    preset = read_preset(tiny_preset(tmp_path, seeds=1, iterations=20))
    runs = tmp_path / "runs"

    def progress(run):
        return ProgressBar(run.run_id, run.iterations)

    records = train_remaining(preset, runs, tmp_path, StopRequest(), progress)
    next(records)
    second, *rest = remaining(preset, runs)
    train(second, runs / second.run_id, tmp_path, preset.execution)
    assert [record["run_id"] for record in records] == [run.run_id for run in rest]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e300"])
def test_a_time_that_is_none_is_refused(tmp_path, capsys, seconds):
    assert main(["pieces", str(tiny_preset(tmp_path)), f"--seconds={seconds}"]) == 2
    assert capsys.readouterr().err.startswith(f"lgn: seconds: {float(seconds):g}; allowed: above 0")
