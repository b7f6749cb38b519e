"""A finished run is not replaced silently, and can be continued to more iterations if its last state was kept."""

import json
from functools import partial

import pytest
from training_process import RECORD, SETTINGS, files, record_bytes

from lgn.cli import main
from lgn.errors import LgnError
from lgn.records import CHECKPOINT
from lgn.run import Execution, parse_run
from lgn.train import train
from study import seeds
from study.earlier import KEPT, continue_from

SMALL = SETTINGS | dict(width=20, depth=2, evaluations=6, iterations=20)
TORCH = Execution(backend="torch", device="cpu")


def lgn_train(output, *arguments, **changed):
    settings = [f"{key}={value}" for key, value in (SMALL | changed).items()]
    return main(
        ["train", *settings, "--output", str(output), "--backend", "torch", "--device", "cpu", *arguments]
    )


@pytest.fixture(autouse=True)
def no_warm_up(monkeypatch):
    monkeypatch.setattr("lgn.train.warm_up", lambda run, execution: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run with its last state."""
    directory = tmp_path_factory.mktemp("again") / "short"
    assert lgn_train(directory, "--keep-checkpoint") == 0
    return directory


def content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_same_command_says_that_the_record_is_there(trained, monkeypatch, capsys):
    before = content(trained)
    monkeypatch.setattr(seeds, "train", None)
    assert lgn_train(trained) == 0
    assert "discrete test accuracy" in (printed := capsys.readouterr().out)
    assert printed.endswith("(trained before, nothing done; --again trains it anew)\n")
    assert content(trained) == before


@pytest.mark.parametrize(
    ("arguments", "changed", "words"),
    [
        ((), dict(iterations=40), "is the record of another run, iterations: 20 (here 40)"),
        ((), dict(noise="none", seed=1), "another run, noise: gumbel (here none), seed: 0 (here 1)"),
        (("--threads", "2"), {}, "threads: 1 (here 2)"),
        (("--snapshots", "1"), {}, "snapshots: none (here stored)"),
    ],
)
def test_another_command_into_the_folder_is_refused(trained, capsys, arguments, changed, words):
    before = content(trained)
    assert lgn_train(trained, *arguments, **changed) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"lgn: {trained / 'run.json'}: ") and words in printed
    assert printed.endswith("allowed: another folder, or `lgn train --again` to replace the record\n")
    assert content(trained) == before


def test_a_record_of_another_version_or_no_record_is_refused(tmp_path, capsys):
    for text, words in (("{}", "not a run record"), (None, "training_semantics: 0 (here ")):
        if text is None:
            run = parse_run(SMALL)
            text = json.dumps({"settings": run.model_dump(), "run_id": run.run_id, "training_semantics": 0})
        (tmp_path / "run.json").write_text(text)
        assert lgn_train(tmp_path) == 2
        assert words in capsys.readouterr().err
        assert files(tmp_path) == ["run.json"] and (tmp_path / "run.json").read_text() == text


def test_again_replaces_a_record(tmp_path, capsys):
    assert lgn_train(tmp_path) == 0 and lgn_train(tmp_path, "--keep-checkpoint") == 2
    assert f"{KEPT}: was not kept when this run trained" in capsys.readouterr().err
    assert lgn_train(tmp_path, "--again", iterations=8) == 0
    assert json.loads((tmp_path / "run.json").read_text())["settings"]["iterations"] == 8
    assert files(tmp_path) == RECORD


METHODS = {
    "glgn": {},
    "dlgn": dict(noise="none", straight_through=False, temperature=1),
    "descent": dict(optimizer="sgd", learning_rate=1),
}


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_goes_on_ends_in_the_bytes_of_one_that_was_not_cut(tmp_path, method, backend):
    """Rows: first the short run's, then the long run's; the first of these averages its loss from the short end on."""
    execution = Execution(backend=backend, device="cpu")
    short, middle, long = (parse_run(SMALL | METHODS[method] | dict(iterations=n)) for n in (20, 45, 90))
    train(long, tmp_path / "whole", tmp_path, execution)
    train(short, tmp_path / "short", tmp_path, execution, keep=KEPT)
    for source, run, target in (("short", middle, "middle"), ("middle", long, "long")):
        continue_from(tmp_path / source, run, tmp_path / target, execution)
        record = train(run, tmp_path / target, tmp_path, execution, keep=KEPT)
    assert record["continued_from"] == [
        {"run_id": short.run_id, "iteration": 20}, {"run_id": middle.run_id, "iteration": 45}
    ]  # fmt: skip
    whole, long, middle = (record_bytes(tmp_path / name) for name in ("whole", "long", "middle"))
    assert (long["weights.safetensors"], long["gates.npz"]) == (
        whole["weights.safetensors"],
        whole["gates.npz"],
    )
    rows = middle["history.csv"]
    assert long["history.csv"][: len(rows)] == rows
    after = [row for row in whole["history.csv"] if int(row["iteration"]) > 45]
    first, *others = long["history.csv"][len(rows) :]
    assert others == after[1:] and others
    unlike = {key for key in first if first[key] != after[0][key]}
    assert unlike <= {"loss", "gate_change_share"}


@pytest.mark.parametrize(
    ("changed", "execution", "words"),
    [
        (dict(iterations=20, evaluations=5), TORCH, "iterations: 20; allowed: above 20, where "),
        (dict(learning_rate=0.1), TORCH, "learning_rate: 0.01 (here 0.1); allowed to differ: iterations, "),
        (dict(final_temperature=0.1), TORCH, "final_temperature: None (here 0.1); allowed to differ: "),
        (dict(time_budget_seconds=1e-9), TORCH, "time_budget_seconds: 1e-09; allowed: above "),
        (
            {},
            TORCH.model_copy(update={"snapshots": 2}),
            "snapshots: 2 of a run that continues another; allowed: 0",
        ),
    ],
)
def test_a_run_that_would_have_gone_another_way_is_refused(trained, tmp_path, changed, execution, words):
    run = parse_run(SMALL | dict(iterations=40) | changed)
    with pytest.raises(LgnError) as refused:
        continue_from(trained, run, tmp_path / "long", execution)
    assert words in str(refused.value) and not (tmp_path / "long").exists()


def test_a_run_cools_down_to_its_own_end(tmp_path):
    cooled = SMALL | dict(final_temperature=0.1)
    train(parse_run(cooled), tmp_path / "short", tmp_path, TORCH, keep=KEPT)
    with pytest.raises(LgnError, match="final_temperature: 0.1 is reached at the end of .*; allowed: null"):
        continue_from(tmp_path / "short", parse_run(cooled | {"iterations": 40}), tmp_path / "long", TORCH)


def test_what_was_not_kept_cannot_go_on(tmp_path, capsys):
    assert lgn_train(tmp_path / "short") == 0
    go_on = partial(lgn_train, tmp_path / "long", "--continue-from", str(tmp_path / "short"))
    assert go_on(iterations=40) == 2
    assert (
        f"{KEPT}: is missing; allowed: a record of `lgn train --keep-checkpoint`" in capsys.readouterr().err
    )
    assert go_on(iterations=40, seed="0,1") == 2
    assert "for 2 seeds; allowed: one seed a call" in capsys.readouterr().err


def test_the_command_goes_on_once(trained, tmp_path, capsys):
    before = content(trained)
    for remark in ("\n", " (trained before, nothing done; --again trains it anew)\n"):
        assert lgn_train(tmp_path / "long", "--continue-from", str(trained), iterations=40) == 0
        assert capsys.readouterr().out.endswith(remark)
    assert files(tmp_path / "long") == RECORD and CHECKPOINT not in before
    assert content(trained) == before
