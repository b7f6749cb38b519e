"""Folders with ~ and variables in them: expanded or refused, never made under that name."""

import pytest
from test_config import preset

from lgn.cli import main
from lgn.data.files import default_data_dir
from lgn.errors import LgnError
from lgn.files import expanded
from study.preset import parse_preset


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    monkeypatch.delenv("NOWHERE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("written", "meant"),
    [("~/x", "{home}/x"), ("~", "{home}"), ("$SCRATCH/x", "/scratch/me/x"), ("${SCRATCH}x", "/scratch/mex"),
     ("a~b", "a~b"), ("results", "results"), ("5$", "5$")],
)  # fmt: skip
def test_a_folder_of_a_preset_is_what_a_shell_would_make_of_it(home, written, meant):
    meant = meant.format(home=home)
    folders = dict.fromkeys(("data_dir", "results_dir", "figures_dir"), written)
    found = parse_preset(preset(**folders))
    assert {found.data_dir, found.results_dir, found.figures_dir} == {meant}


def test_what_stands_for_nothing_is_refused_by_name():
    with pytest.raises(
        LgnError, match=r"config: results_dir: '\$NOWHERE/x' names the variable NOWHERE; allowed: "
    ):
        parse_preset(preset(results_dir="$NOWHERE/x"))
    with pytest.raises(
        LgnError, match="config: data_dir: '~nobody-here/x' begins with an unknown home folder"
    ):
        parse_preset(preset(data_dir="~nobody-here/x"))
    with pytest.raises(LgnError, match="LGN_DATA: "):
        expanded("$NOWHERE", "LGN_DATA")


def test_the_command_line_makes_no_folder_called_tilde(home, monkeypatch, capsys):
    monkeypatch.setenv("LGN_DATA", "~/sets")
    assert default_data_dir() == home / "sets"
    assert main(["fetch", "digits", "--report=~/digits.json"]) == 0
    assert (home / "digits.json").is_file() and not (home / "~").exists()
    assert main(["fetch", "digits", "--data-dir=$NOWHERE/data"]) == 2
    assert (
        capsys.readouterr().err
        == "lgn: path: '$NOWHERE/data' names the variable NOWHERE; allowed: those that are set\n"
    )
