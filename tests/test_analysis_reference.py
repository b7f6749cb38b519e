"""Results kept in few bytes, and what is drawn from them: the same bytes as from the tables they were made of."""

import lzma
import shutil
from pathlib import Path

import pytest
from analysis_records import write_run

from analysis.claims import make_claims, write_claims
from analysis.cli import main
from analysis.collect import collect
from analysis.conditions import condition_columns
from analysis.reference import keep, redraw
from analysis.summary import summary_shown, summary_values
from analysis.tidy import PROBE, TABLES, read_tables
from lgn.errors import LgnError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept") / "tiny"
    for method in ("dlgn", "glgn"):
        for seed in (0, 1):
            write_run(folder / "runs", method, seed)
    collect(folder / "runs", folder)
    (folder / f"{PROBE}soul.csv").write_text("run_id,iteration\nx,3\n")
    return folder


def test_what_is_kept_is_every_table_and_the_same_twice(results, tmp_path):
    paths = keep(results, tmp_path / "a")
    assert [p.read_bytes() for p in keep(results, tmp_path / "b")] == [p.read_bytes() for p in paths]
    names = {*TABLES, f"{PROBE}soul"}
    assert {path.name.split(".")[0] for path in paths} == names
    for path in paths:
        assert lzma.decompress(path.read_bytes()) == (results / path.name.removesuffix(".xz")).read_bytes()
    kept, before = read_tables(tmp_path / "a"), read_tables(results)
    for name in TABLES:
        assert getattr(kept, name).equals(getattr(before, name))
    assert kept.probes == ["soul"] and list(kept.probe("soul")["iteration"]) == [3]


def test_a_preset_that_trained_in_parts_is_kept_as_if_at_once(results, tmp_path):
    """The second part holds one run of the first again, whose rows it replaces."""
    runs = sorted(path.name for path in (results / "runs").iterdir())
    for name, part in {"first": runs[::2], "second": runs[1:]}.items():
        collect(results / "runs", tmp_path / name, part)
    keep(tmp_path / "first", tmp_path / "kept")
    for path in keep(tmp_path / "second", tmp_path / "kept", add=True):
        whole = results / path.name.removesuffix(".xz")
        assert lzma.decompress(path.read_bytes()) == whole.read_bytes()


def test_kept_tables_draw_what_the_records_draw(results, tmp_path):
    """A preset kept as tables, one kept as records, and one that nobody draws; the commands are the workflow's."""
    reference, figures = tmp_path / "reference", tmp_path / "figures"
    keep(results, reference / "tables")
    (reference / "records").mkdir()
    (reference / "records" / "runs").symlink_to(results / "runs")
    keep(results, reference / "undrawn")
    for name in ("tables", "records"):
        (figures / name).mkdir(parents=True)
    paths = redraw(reference, figures)
    assert {path.parent.name for path in paths} == {"tables", "records", "figures"}
    assert not (figures / "undrawn").exists()
    write_claims(make_claims(read_tables(results)), results / "claims.json")
    for command in ("tables", "figures"):
        assert main([command, "--results", str(results), "--output", str(tmp_path / "direct")]) == 0
    direct = {path.name: path.read_bytes() for path in (tmp_path / "direct").iterdir()}
    assert len(direct) > 20
    for name in ("tables", "records"):
        drawn = {
            path.name: path.read_bytes() for path in (figures / name).iterdir() if path.name != "gallery.md"
        }
        assert drawn == direct


def test_keeping_does_not_lose_runs_that_are_kept(results, tmp_path, capsys):
    run_ids = sorted(path.name for path in (results / "runs").iterdir())
    collect(results / "runs", tmp_path / "few", run_ids[:3])
    paths = keep(results, tmp_path / "kept")
    before = [path.read_bytes() for path in paths]
    command = ["keep", "--results", str(tmp_path / "few"), "--output", str(tmp_path / "kept")]
    assert main(command) == 2
    assert (
        f"keeps 1 runs that {tmp_path / 'few'} does not have, such as {run_ids[3]}" in capsys.readouterr().err
    )
    assert main([*command, "--add"]) == 0
    assert keep(results, tmp_path / "kept") == paths and [path.read_bytes() for path in paths] == before


def test_tables_of_earlier_versions_are_read_but_for_runs_that_are_no_more(results, tmp_path):
    """results/reference has a column of a setting that is gone, with one value."""
    folder = shutil.copytree(results, tmp_path / "old")
    runs = read_tables(results).runs
    old = runs.assign(gradient_dtype="float32")
    old.to_csv(folder / "runs.csv", index=False)
    for tables in (read_tables(folder), read_tables(ROOT / "results/reference/rates")):
        assert set(tables.runs["gradient_dtype"]) == {"float32"}
        assert "gradient_dtype" not in condition_columns(tables.runs)
    assert summary_shown(summary_values(read_tables(folder))).equals(
        summary_shown(summary_values(read_tables(results)))
    )
    old.assign(gradient_dtype=["float32", *["bfloat16"] * (len(old) - 1)]).to_csv(folder / "runs.csv")
    with pytest.raises(LgnError, match="runs.csv: gradient_dtype: 'bfloat16' is of an earlier version"):
        _ = read_tables(folder).runs


@pytest.mark.parametrize("command", ["tables", "collect", "claims"])
def test_a_file_of_another_kind_is_not_replaced(results, tmp_path, capsys, command):
    """`--output docs` would have replaced docs/verdicts.md."""
    name = {"tables": "verdicts.md", "collect": "gates.csv", "claims": "claims.json"}[command]
    folder = shutil.copytree(results, tmp_path / "mine")
    write_claims([], folder / "claims.json")
    (folder / name).write_text("# My own\n")
    arguments = {"tables": ["--output", folder], "collect": ["--runs", folder / "runs", "--output", folder]}
    options = arguments.get(command, [])
    if command != "collect":
        options = ["--results", results if command == "tables" else folder, *options]
    write_claims(make_claims(read_tables(results)), results / "claims.json")
    assert main([command, *map(str, options)]) == 2
    assert f"{folder / name}: was not written by this command" in capsys.readouterr().err
    assert (folder / name).read_text() == "# My own\n"


def test_a_missing_table_is_named_and_nothing_is_kept(results, tmp_path):
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "runs.csv").write_bytes((results / "runs.csv").read_bytes())
    with pytest.raises(LgnError, match="history.csv: is missing"):
        keep(tmp_path / "few", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_or_read_is_one_line(results, tmp_path, capsys):
    (tmp_path / "file").touch()
    for command in (
        ["redraw", "--reference", tmp_path / "nowhere", "--output", tmp_path / "out"],
        ["collect", "--runs", results / "runs", "--output", tmp_path / "file"],
        ["figure", "gates_by_layer", "--results", results, "--output", tmp_path / "file"],
    ):
        assert main([str(word) for word in command]) != 0
        [line] = capsys.readouterr().err.splitlines()
        assert str(tmp_path) in line and "allowed: " in line


def test_the_table_of_runs_kept_beside_records_is_theirs(tmp_path):
    kept = ROOT / "results/reference/digits"
    collect(kept / "runs", tmp_path)
    assert (tmp_path / "runs.csv").read_bytes() == (kept / "runs.csv").read_bytes()


@pytest.mark.long
def test_the_figures_of_this_repository_are_those_of_its_results(tmp_path):
    """What `make figures` does, into another folder that holds the same names."""
    kept = ROOT / "paper_figures/reference"
    shutil.copytree(kept, tmp_path / "figures")
    for path in (tmp_path / "figures").rglob("*.*"):
        path.write_bytes(b"")
    drawn = redraw(ROOT / "results/reference", tmp_path / "figures")
    assert len(drawn) > 200
    differ = [
        p.name for p in drawn if p.read_bytes() != (kept / p.relative_to(tmp_path / "figures")).read_bytes()
    ]
    assert differ == []
