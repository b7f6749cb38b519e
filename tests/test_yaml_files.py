"""YAML files as the suite reads them, and as Snakemake merges them."""

import pytest
import yaml
from test_workflow import TINY, snakemake

from lgn.cli import main
from lgn.errors import LgnError
from lgn.settings import parse_settings, parse_yaml
from study.preset import check_config_files, read_preset

WHOLE = yaml.safe_dump(TINY, sort_keys=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WHOLE + "seeds: [5]\n", "seeds: stands in line [0-9]+ already; allowed: once"),
        ("a: {b: 1, b: 2}", "line 1: b: stands in line 1 already"),
        (
            "sweeps:\n- set:\n    depth: 2\n    width: 3\n    depth: 2\n",
            "line 5: depth: stands in line 3 already",
        ),
        ("a: 1\n'a': 2\n", "line 2: a: stands in line 1 already"),
        ("\n" * 300 + "a: 1\na: 2\n", "line 302: a: stands in line 301 already"),
    ],
)
def test_a_key_that_stands_twice_is_refused_at_every_level(tmp_path, capsys, text, words):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(LgnError, match=rf"x\.yaml: .*{words}"):
        read_preset(tmp_path / "x.yaml")
    with pytest.raises(LgnError, match=words):
        check_config_files([tmp_path / "x.yaml"])
    assert main(["design", str(tmp_path / "x.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_key_that_stands_twice_in_a_setting_is_refused():
    with pytest.raises(LgnError, match="depth: line 1: a: stands in line 1 already"):
        parse_settings(["depth={a: 1, a: 2}"])


def test_merged_mappings_may_override_what_they_merge():
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, y: 3}"
    assert parse_yaml(text)["c"] == {"x": 2, "y": 3}


def test_files_that_snakemake_merges_name_one_preset(tmp_path):
    one, other, machine = (tmp_path / f"{name}.yaml" for name in "abc")
    one.write_text("preset: a\nseeds: [1]\n")
    other.write_text("preset: b\n")
    machine.write_text("execution: {threads: 2}\n")
    check_config_files([one, machine])
    with pytest.raises(
        LgnError, match=r"b\.yaml: preset: is named by .*a\.yaml too; allowed: one preset a call"
    ):
        check_config_files([one, machine, other])


def test_snakemake_refuses_what_its_own_reader_takes(tmp_path):
    """The Snakefile hands its files over: the last of two lists of seeds would have trained."""
    folder = tmp_path / "twice"
    folder.mkdir()
    (folder / "more.yaml").write_text("seeds: [0]\nseeds: [5]\n")
    done = snakemake(folder, "--dry-run", "runs", "--configfile", str(folder / "more.yaml"))
    assert done.returncode != 0 and "more.yaml: line 2: seeds: stands in line 1 already" in done.stdout
