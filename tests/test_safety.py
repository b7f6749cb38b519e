"""Nothing that comes as data is executed, and nothing is written where it does not belong."""

import ast
import re

import pytest
import yaml
from conftest import ROOT
from test_workflow import TINY, snakemake

from lgn.cli import main
from lgn.data.catalog import DATASETS
from lgn.errors import LgnError
from study.preset import parse_preset, read_preset


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch canary']",
        "preset: !!python/object/apply:os.system ['touch canary']",
        "preset: x\nbase: !!python/name:os.system",
    ],
)
def test_a_preset_cannot_name_code(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "preset.yaml").write_text(text)
    with pytest.raises(LgnError, match="not a readable YAML file: could not determine a constructor"):
        read_preset(tmp_path / "preset.yaml")
    assert not (tmp_path / "canary").exists()


def test_a_setting_on_the_command_line_cannot_name_code(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "dataset=!!python/object/apply:os.system ['touch canary']", "--output", "x"]) == 2
    assert "is not a value; allowed: a YAML scalar" in capsys.readouterr().err
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ["; touch canary", "../../etc/passwd"])
def test_a_data_set_of_any_name_is_just_unknown(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    assert main(["train", f"dataset={name}", "--output", "x"]) == 2
    assert main(["fetch", "--", name]) == 2
    assert "is unknown; allowed: digits" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"preset": "../outside"},
        {"sweeps": [{"vary": {"method": ["$(touch canary)"]}}]},
        {"execution": {"device": "cpu; touch canary"}},
    ],
)
def test_a_preset_with_shell_in_a_name_is_refused(change):
    with pytest.raises(LgnError, match="allowed: "):
        parse_preset(TINY | change)


def test_folders_with_spaces_quotes_and_shell_in_their_names_are_only_folders(tmp_path):
    preset = TINY | {
        "seeds": [0],
        "sweeps": [{"set": {"method": "dlgn"}}],
        "results_dir": "re sults'; touch canary; '",
        "figures_dir": "fig $(touch canary) ures",
        "data_dir": 'da"ta `touch canary`',
    }
    done = snakemake(tmp_path, "tables", preset=preset)
    assert not list(tmp_path.rglob("canary"))
    assert done.returncode == 0, done.stdout
    assert (tmp_path / preset["results_dir"] / "tiny" / "runs.csv").is_file()
    assert (tmp_path / preset["figures_dir"] / "tiny" / "claims.csv").is_file()


def test_every_download_has_a_checksum():
    downloads = [download for info in DATASETS.values() for download in info.downloads]
    assert len(downloads) >= 6
    for download in downloads:
        assert re.fullmatch("[0-9a-f]{64}", download.sha256), download.name


def test_no_code_of_ours_reads_pickle_evaluates_text_or_builds_a_shell():
    """What could execute data is not called anywhere; benchmarks mend a peer's own source and are not data.

    lgn.data.pickles reads CIFAR's with an unpickler that looks nothing up: see test_layouts.
    """
    for path in [*(ROOT / "lgn").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {
                    "eval",
                    "exec",
                    "os.system",
                    "yaml.load",
                    "torch.load",
                    "pickle.load",
                    "pickle.loads",
                    "pickle.Unpickler",
                }, path
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert keywords.get("shell", "False") == "False", path
                assert keywords.get("allow_pickle", "False") == "False", path


def test_what_rules_hand_to_the_shell_is_quoted():
    """Every {value} of a shell command comes from the workflow's own names or is quoted with :q."""
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = path.read_text()
        for command in re.findall(r"shell:\n((?: +['\"].*\n)+)", text):
            for value in re.findall(r"\{([^}]*)\}", command):
                assert value.endswith(":q") or value == "threads", (path.name, value)


def test_a_preset_of_plain_data_survives_the_round_trip(tmp_path):
    """The counterpart: what is refused above is refused for what it is."""
    (tmp_path / "preset.yaml").write_text(yaml.safe_dump(TINY))
    assert read_preset(tmp_path / "preset.yaml").preset == "tiny"
