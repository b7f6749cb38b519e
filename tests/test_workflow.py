"""The workflow as its users meet it: real Snakemake calls, in folders of their own."""

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from analysis.figures import available_figures
from study.plan import Design
from study.preset import parse_preset

ROOT = Path(__file__).resolve().parent.parent

TINY = {
    "preset": "tiny",
    "base": {
        "dataset": "digits", "thresholds": 2, "depth": 2, "width": 100, "temperature": 0.5, "group_temperature": 4,
        "batch_size": 16, "iterations": 40, "evaluations": 8,
    },
    "seeds": [0, 1],
    "sweeps": [{"vary": {"method": ["dlgn", "glgn"]}, "probes": ["line"]}],
    "execution": {"backend": "torch", "snapshots": 2},
}  # fmt: skip


def snakemake_command(folder, *arguments, preset=TINY):
    """The command that runs Snakemake on a preset with results below a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "preset.yaml").write_text(yaml.safe_dump(preset))
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--directory",
        str(folder),
    ]
    return [*command, "--configfile", str(folder / "preset.yaml"), "--cores", "2", *arguments]


def snakemake(folder, *arguments, preset=TINY):
    """Runs it; returns the finished process, output joined."""
    command = snakemake_command(folder, *arguments, preset=preset)
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def jobs(output):
    """Job counts by rule that a dry run prints."""
    table = output.split("Job stats:")[1].split("\n\n")[0] if "Job stats:" in output else ""
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def figures_of(preset):
    """Names of the figures that a preset has the runs and probes for."""
    design = Design(parse_preset(preset))
    return set(available_figures(design.table, design.probes))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout
    return folder, done.stdout


def copy_of(finished, folder):
    shutil.copytree(finished[0], folder)
    return folder


@pytest.mark.parametrize(
    ("chosen", "trained"), [([], 90), (["--configfile", str(ROOT / "config/digits.yaml")], 60)]
)
def test_a_call_from_any_folder_plans_its_preset(tmp_path, chosen, trained):
    """A bare call the default one. An included file's default target is dropped: without its own it plans none."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--directory",
        str(tmp_path),
    ]
    done = subprocess.run(
        [*command, "--dry-run", *chosen],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    planned = jobs(done.stdout)
    assert planned["train"] == trained
    assert planned["figures"] == planned["tables"] == 1
    preset = yaml.safe_load((ROOT / (chosen[1] if chosen else "config/default.yaml")).read_text())
    assert planned.get("probe", 0) == sum(map(len, Design(parse_preset(preset)).probes.values()))


def test_make_makes_several_presets_one_after_the_other_and_refuses_an_unknown_one():
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    for preset, words in {
        "smoke map": "for config in config/smoke.yaml config/map.yaml; do",
        "smoke nothing": "make: PRESET=nothing: no file config/nothing.yaml; allowed: ",
    }.items():
        command = ["make", "--dry-run", "reproduce", f"PRESET={preset}"]
        planned = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert words in planned.stdout


def test_one_command_ends_in_claims_tables_and_figures(finished):
    folder, output = finished
    results, figures = folder / "results" / "tiny", folder / "paper_figures" / "tiny"
    with open(results / "runs.csv", newline="") as file:
        runs = list(csv.DictReader(file))
    assert sorted((run["method"], run["seed"]) for run in runs) == [
        ("dlgn", "0"), ("dlgn", "1"), ("glgn", "0"), ("glgn", "1")
    ]  # fmt: skip
    claims = json.loads((results / "claims.json").read_text())
    assert claims
    for name in ("claims.md", "claims.tex", "claims.csv", "summary.md", "learning_curves.pdf"):
        assert (figures / name).stat().st_size > 100, name
    assert {path.stem for path in figures.glob("*.pdf")} == figures_of(TINY)
    assert "everything works: 4 runs" in output and "look at: paper_figures/tiny/" in output


def test_logs_and_benchmarks_are_kept_by_rule(finished):
    results = finished[0] / "results" / "tiny"
    assert len(list((results / "logs" / "train").iterdir())) == 4
    assert len(list((results / "benchmarks" / "train").iterdir())) == 4
    assert "completed after 40 iterations" in next((results / "logs" / "train").iterdir()).read_text()


def test_a_second_call_has_nothing_to_do(finished):
    assert "Nothing to be done" in snakemake(finished[0]).stdout


def test_shipped_records_are_not_trained_anew_whatever_their_file_times(finished, tmp_path):
    """What a clone holds: no Snakemake metadata, file times in any order, no weights."""
    folder = copy_of(finished, tmp_path / "clone")
    shutil.rmtree(folder / ".snakemake")
    shuffled = random.Random(0)
    for path in (folder / "results").rglob("*"):
        if path.name == "weights.safetensors":
            path.unlink()
        elif path.is_file():
            os.utime(path, (shuffled.randint(10**9, 2 * 10**9),) * 2)
    planned = snakemake(folder, "--dry-run", "figures", "--forcerun", "collect")
    assert planned.returncode == 0, planned.stdout
    assert jobs(planned.stdout)["figures"] == 1 and "train" not in jobs(planned.stdout)


def test_figures_come_back_byte_for_byte_without_training(finished, tmp_path):
    folder = copy_of(finished, tmp_path / "again")
    before = {path.name: path.read_bytes() for path in (folder / "paper_figures" / "tiny").iterdir()}
    shutil.rmtree(folder / "paper_figures")
    shutil.rmtree(folder / ".snakemake")
    done = snakemake(folder, "figures", "tables")
    assert done.returncode == 0, done.stdout
    assert "rule train" not in done.stdout
    assert {path.name: path.read_bytes() for path in (folder / "paper_figures" / "tiny").iterdir()} == before


def test_touching_one_value_trains_just_the_runs_it_concerns(finished, tmp_path):
    folder = copy_of(finished, tmp_path / "touched")
    sweeps = [{"vary": {"method": ["dlgn"]}}, {"set": {"method": "glgn", "temperature": 0.4}}]
    planned = jobs(snakemake(folder, "--dry-run", preset=TINY | {"sweeps": sweeps}).stdout)
    assert planned["train"] == 2
    planned = jobs(snakemake(folder, "--dry-run", preset=TINY | {"seeds": [0, 1, 2]}).stdout)
    assert planned["train"] == 2


def test_where_and_how_runs_execute_trains_nothing_anew(finished, tmp_path):
    folder = copy_of(finished, tmp_path / "moved")
    execution = TINY["execution"] | {"backend": "auto", "threads": 2}
    planned = snakemake(folder, "--dry-run", preset=TINY | {"data_dir": "elsewhere", "execution": execution})
    assert "Nothing to be done" in planned.stdout


def test_a_primary_temperature_stated_later_is_in_the_tables_and_trains_nothing(finished, tmp_path):
    folder = copy_of(finished, tmp_path / "stated")
    done = snakemake(folder, "collect", preset=TINY | {"primary": 0.5})
    assert done.returncode == 0 and "rule train" not in done.stdout, done.stdout
    assert pd.read_csv(folder / "results" / "tiny" / "runs.csv")["primary"].tolist() == [0.5] * 4


def test_a_change_of_the_training_semantics_trains_everything(finished, tmp_path):
    """The version constant is a parameter of the rule, so Snakemake sees it; here it is changed in a copy."""
    folder = copy_of(finished, tmp_path / "semantics")
    rule = (ROOT / "workflow/rules/train.smk").read_text()
    changed = tmp_path / "checkout"
    shutil.copytree(ROOT / "workflow", changed / "workflow")
    shutil.copy(ROOT / "Snakefile", changed / "Snakefile")
    (changed / "workflow/rules/train.smk").write_text(
        rule.replace("semantics=TRAINING_SEMANTICS", "semantics=TRAINING_SEMANTICS + 1")
    )
    command = [sys.executable, "-m", "snakemake", "--directory", str(folder), "--dry-run", "--configfile"]
    command += [str(folder / "preset.yaml"), "--cores", "2", "--snakefile"]
    planned = [
        jobs(
            subprocess.run(
                [*command, str(root / "Snakefile")], capture_output=True, text=True, check=True
            ).stdout
        )
        for root in (ROOT, changed)
    ]
    assert "train" not in planned[0]
    assert planned[1]["train"] == 4


def test_a_failed_job_keeps_its_checkpoint_and_names_a_damaged_one(tmp_path):
    """Snakemake deletes the declared outputs of a failed job; the checkpoint is not among them."""
    folder = tmp_path / "cut"
    only = TINY | {"seeds": [0], "sweeps": [{"set": {"method": "dlgn"}}]}
    first = snakemake(folder, "runs", preset=only)
    assert first.returncode == 0, first.stdout
    run = next((folder / "results/tiny/runs").iterdir())
    (run / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
    (run / "run.json").unlink()
    again = snakemake(folder, "runs", preset=only)
    assert again.returncode != 0
    assert "checkpoint.safetensors: cannot be read" in again.stdout
    assert (run / "checkpoint.safetensors").read_bytes() == b"not a checkpoint"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base": TINY["base"] | {"widht": 7}}, "widht: unknown key; allowed: dataset"),
        ({"base": TINY["base"] | {"width": 105}}, "width: 105 does not divide into the 10 classes of digits"),
        (
            {"base": TINY["base"] | {"temperature": -1}, "sweeps": [{"set": {"method": "glgn"}}]},
            "temperature: -1",
        ),
        (
            {"sweeps": [{"set": {"method": "glgn", "dataset": "; rm -rf"}}]},
            "dataset: '; rm -rf' is not allowed",
        ),
    ],
)
def test_wrong_config_is_refused_before_anything_trains(tmp_path, change, words):
    done = snakemake(tmp_path / "wrong", preset=TINY | change)
    assert done.returncode != 0
    assert [line for line in done.stdout.splitlines() if words in line], done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "wrong" / "results").exists()


def test_missing_data_is_named_before_anything_trains(tmp_path):
    preset = TINY | {"base": TINY["base"] | {"dataset": "mnist"}, "data_dir": str(tmp_path / "empty")}
    done = snakemake(tmp_path / "missing", preset=preset)
    assert done.returncode != 0
    assert "lgn: mnist: " in done.stdout
    assert not list((tmp_path / "missing").rglob("run.json"))


def test_an_unknown_target_is_named(tmp_path):
    done = snakemake(tmp_path / "target", "no_such_target")
    assert done.returncode != 0
    assert "no_such_target" in done.stdout


def test_the_report_is_one_page_with_captions(finished, tmp_path):
    folder = copy_of(finished, tmp_path / "report")
    done = snakemake(folder, "--report", "report.html")
    assert done.returncode == 0, done.stdout
    page = (folder / "report.html").read_text()
    assert len(page) > 10**5
    assert "Mind the Gap" in page


def test_rulegraph_and_lint():
    base = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    base += ["--configfile", str(ROOT / "config/smoke.yaml")]
    graph = subprocess.run([*base, "--rulegraph"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert graph.stdout.count("label") > 5
    lint = subprocess.run([*base, "--lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_conda_environment_has_the_pinned_versions():
    pins = dict(
        line.strip().split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    stated = yaml.safe_load((ROOT / "workflow/envs/lgn.yaml").read_text())["dependencies"]
    for entry in stated:
        name, version = entry.split(" =")
        if name != "python":
            assert (
                pins[{"pytorch": "torch", "jinja2": "Jinja2", "pyyaml": "PyYAML"}.get(name, name)] == version
            )


@pytest.mark.long
def test_the_smoke_preset_run_twice_makes_the_same_records(tmp_path):
    """The whole pipeline from nothing, then its trainings: weights and gates byte for byte, history but for clocks."""
    preset = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
    for name, targets in {"first": (), "second": ("runs",)}.items():
        done = snakemake(tmp_path / name, *targets, preset=preset)
        assert done.returncode == 0, done.stdout
    runs = sorted((tmp_path / "first/results/smoke/runs").iterdir())
    assert len(runs) == 12
    for run in runs:
        again = tmp_path / "second/results/smoke/runs" / run.name
        for name in ("weights.safetensors", "gates.npz"):
            assert (run / name).read_bytes() == (again / name).read_bytes(), (run.name, name)
        assert history_without_clocks(run) == history_without_clocks(again)
    drawn = {path.stem for path in (tmp_path / "first/paper_figures/smoke").glob("*.pdf")}
    assert drawn == figures_of(preset) and len(drawn) > 5


def history_without_clocks(run):
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if not name.endswith("_seconds")} for row in rows]


def test_the_shipped_reference_records_make_figures_without_training(tmp_path):
    """Planned in a copy with the file times of a fresh clone; probes need weights, which are not shipped."""
    shutil.copytree(
        ROOT / "results/reference", tmp_path / "plan/results/reference", copy_function=shutil.copyfile
    )
    preset = yaml.safe_load((ROOT / "config/digits.yaml").read_text())
    sweeps = [{key: value for key, value in sweep.items() if key != "probes"} for sweep in preset["sweeps"]]
    preset |= {"results_dir": "results/reference", "sweeps": sweeps, "execution": {}}
    planned = snakemake(tmp_path / "plan", "--dry-run", "figures", "tables", preset=preset)
    assert planned.returncode == 0, planned.stdout
    assert jobs(planned.stdout)["figures"] == 1 and "train" not in jobs(planned.stdout)


MODULE = f"""
module lgn_bench:
    snakefile: "{ROOT}/workflow/Snakefile"
    config: {TINY}
use rule * from lgn_bench
"""


def test_without_the_package_the_workflow_says_what_to_install(tmp_path):
    """As a module of another workflow, under a Python that lacks it: here it is hidden from the import system."""
    (tmp_path / "Snakefile").write_text(MODULE)
    program = "import sys; sys.modules['analysis'] = None; from snakemake.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", program, "--dry-run", "--quiet"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0 and "Traceback" not in done.stdout + done.stderr
    assert (
        "lgn-bench is not installed for the Python that runs Snakemake; allowed: `pip install`" in done.stdout
    )


def test_another_workflow_takes_this_one_as_a_module(tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "runs", "--dry-run"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert jobs(done.stdout + done.stderr)["train"] == 4
