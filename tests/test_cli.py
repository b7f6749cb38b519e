"""The command line as it is typed: settings anywhere, and what a training prints."""

import pytest
from training_process import SETTINGS

from lgn.cli import _parse, main
from study.terminal import ProgressBar

TINY = [f"{key}={value}" for key, value in (SETTINGS | dict(width=20, iterations=4, evaluations=3)).items()]


@pytest.mark.parametrize(
    ("typed", "name", "found"),
    [
        ("train a=1 --output x b=2 --threads 2 c=3 d=4", "settings", ["a=1", "b=2", "c=3", "d=4"]),
        ("train --output x b=2", "settings", ["b=2"]),
        ("probe gradient --data-dir x a=1 b=2", "of", ["a=1", "b=2"]),
        ("probe line one --output x two", "of", ["one", "two"]),
        ("verify --threads 2 one two", "records", ["one", "two"]),
        ("verify", "records", []),
    ],
)
def test_what_a_command_takes_several_of_may_stand_on_both_sides_of_options(typed, name, found):
    assert getattr(_parse(typed.split()), name) == found


@pytest.mark.parametrize(
    "typed", ["train a=1 --output x --thread5 2", "design a.yaml b.yaml", "train a=1 --output x -5"]
)
def test_what_a_command_does_not_know_is_still_refused(typed, capsys):
    with pytest.raises(SystemExit):
        _parse(typed.split())
    assert "unrecognized arguments: " in capsys.readouterr().err


def test_a_loss_before_the_first_step_is_shown_as_none(tmp_path, capsys):
    assert main(["train", *TINY[:3], "--output", str(tmp_path / "x"), *TINY[3:], "--backend", "torch"]) == 0
    printed = capsys.readouterr().err
    assert "iteration 0/4, loss -, discrete 0." in printed and "nan" not in printed


def test_a_loss_that_is_there_has_four_digits(capsys):
    ProgressBar("x", 10)(10, {"loss": 2.34567, "test_accuracy_discrete": 0.5})
    assert "loss 2.3457, discrete 0.5000" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "probe gradient dataset=digits",
        "probe gradient dataset=digits --like dataset=digits",
        "probe plane x",
        "fetch digits",
    ],
)
def test_a_file_of_another_kind_is_refused_before_anything_is_computed(tmp_path, capsys, command):
    option = "--report" if command.startswith("fetch") else "--output"
    for path, words in (
        (tmp_path, "is not a file"),
        (tmp_path / "a.yaml", "was not written by this command"),
    ):
        (tmp_path / "a.yaml").write_text("preset: mine")
        assert main([*command.split(), option, str(path)]) == 2
        assert capsys.readouterr().err.startswith(f"lgn: {path}: {words}")
    assert (tmp_path / "a.yaml").read_text() == "preset: mine"


def test_a_report_is_written_again(tmp_path):
    for _ in range(2):
        assert main(["fetch", "digits", "--report", str(tmp_path / "digits.json")]) == 0
