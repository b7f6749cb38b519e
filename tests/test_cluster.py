"""Beyond one machine: the profiles are what Snakemake takes, and Slurm, started here, gets through kills and drains."""

import csv
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from study.plan import SHORT_MINUTES, START_MINUTES, Design, gpu_request, training_seconds
from study.preset import parse_preset

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ROOT / "profiles"

sys.path.insert(0, str(ROOT / "tests/slurm"))
from cluster import Cluster, missing_programs  # noqa: E402

SMALL = {
    "preset": "small",
    "base": {
        "dataset": "digits", "thresholds": 4, "depth": 4, "width": 200, "temperature": 0.25, "group_temperature": 4,
        "batch_size": 32, "iterations": 1500, "evaluations": 10,
    },
    "seeds": [0, 1, 2, 3],
    "sweeps": [{"vary": {"method": ["dlgn", "glgn"]}}],
}  # fmt: skip


def need(kind, name):
    if importlib.util.find_spec(f"snakemake_{kind}_plugin_{name}") is None:
        pytest.skip(f"no snakemake-{kind}-plugin-{name} here: pip install -r requirements-cluster.txt")


def command(folder, preset, *arguments):
    """A Snakemake call on a preset with results below a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "preset.yaml").write_text(yaml.safe_dump(preset))
    return [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder),
        "--configfile", str(folder / "preset.yaml"), *arguments,
    ]  # fmt: skip


def snakemake(folder, preset, *arguments, environment=None):
    """Runs it; returns the finished process, output joined."""
    return subprocess.run(
        command(folder, preset, *arguments), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=300,
    )  # fmt: skip


def profile(name):
    return yaml.safe_load((PROFILES / name / "config.yaml").read_text())


def design(preset=SMALL, **changes):
    return Design(parse_preset(preset | changes))


def test_a_run_is_given_time_by_its_size():
    def minutes(**base):
        planned = design(base=SMALL["base"] | base)
        return planned.minutes(next(iter(planned.runs)))

    assert minutes() == START_MINUTES + 1
    assert minutes(depth=12, width=500, iterations=400_000) > 160 / 60  # 160 s on one thread
    assert minutes(iterations=10**8) > 10 * minutes(iterations=10**6)
    assert minutes(iterations=10**6, batch_size=1024) > 3 * minutes(iterations=10**6, batch_size=64)
    assert minutes(iterations=10**8, time_budget_seconds=600) == START_MINUTES + math.ceil(750 / 60)


def test_the_given_time_is_at_least_twice_what_the_reference_records_took():
    records = [
        json.loads(path.read_text()) for path in (ROOT / "results/reference").glob("*/runs/*/run.json")
    ]
    assert records
    runs = [(record, parse_run(record)) for record in records]
    assert all(60 * START_MINUTES + training_seconds(run) > 2 * took(record) for record, run in runs)
    assert all(training_seconds(run) > 2 * took(record) for record, run in runs if took(record) > 30)


def parse_run(record):
    settings = {key: value for key, value in record["settings"].items() if key != "seed"}
    one = {"preset": "one", "base": settings, "seeds": [0], "sweeps": [{}]}
    return next(iter(Design(parse_preset(one)).runs.values()))


def took(record):
    return record["final"]["elapsed_seconds"]


def test_only_short_trainings_share_a_job():
    short, long = design(), design(base=SMALL["base"] | {"iterations": 10**8})
    assert {short.group(run) for run in short.runs} == {"short_trainings"}
    assert {long.group(run) for run in long.runs} == {None}
    assert all((long.minutes(run) < SHORT_MINUTES) == (long.group(run) is not None) for run in long.runs)


@pytest.mark.parametrize(
    ("execution", "alone", "beside_a_gpu"),
    [
        ({"device": "auto"}, 0, 1),
        ({"device": "auto", "backend": "numba"}, 0, 0),
        ({"device": "cpu"}, 0, 0),
        ({"device": "cuda"}, 1, 1),
        ({"device": "cuda:0"}, 1, 1),
    ],
)
def test_a_gpu_is_asked_for_wherever_one_will_be_used(monkeypatch, execution, alone, beside_a_gpu):
    stated = parse_preset(SMALL | {"execution": execution}).execution
    for here, gpus in ((False, alone), (True, beside_a_gpu)):
        monkeypatch.setattr("study.plan.a_gpu_is_here", lambda here=here: here)
        assert gpu_request(stated).get("gpu", 0) == gpus


def test_trainings_declare_time_memory_and_gpu_and_more_of_it_at_each_attempt(tmp_path):
    """Read from a dry run, which prints a job's resources where its rule has no message."""
    silent = tmp_path / "Snakefile"
    silent.write_text(
        f'include: "{ROOT}/workflow/Snakefile"\nfor one in workflow.rules:\n    one.message = None\n'
    )
    preset = SMALL | {"execution": {"device": "cuda"}}
    seen = []
    for attempt in ("1", "2"):
        arguments = ("--snakefile", str(silent), "--cores", "1", "--dry-run", "--attempt", attempt)
        planned = snakemake(tmp_path, preset, *arguments, "--quiet", "host", "--", "runs")
        assert planned.returncode == 0, planned.stdout
        lines = [
            line for line in planned.stdout.splitlines() if "resources:" in line and "device=cuda" in line
        ]
        assert len(lines) == 8
        assert all("gpu=1" in line for line in lines)
        seen.append(
            [
                {name: int(re.search(rf"\b{name}=(\d+)", line)[1]) for name in ("mem_mb", "runtime")}
                for line in lines
            ]
        )
    assert seen[1] == [{name: 2 * amount for name, amount in job.items()} for job in seen[0]]


@pytest.mark.parametrize("name", ["default", "workstation", "slurm", "kubernetes"])
def test_snakemake_takes_the_profile(tmp_path, name):
    """Options it does not know, its plugins' among them, end a dry run."""
    arguments = ["--dry-run"]
    if name in ("slurm", "kubernetes"):
        need("executor", name)
    if name == "kubernetes":
        # In place of object storage, which even a dry run asks for what is there.
        need("storage", "fs")
        arguments += [
            "--default-storage-provider",
            "fs",
            "--default-storage-prefix",
            str(tmp_path / "storage"),
        ]
    planned = snakemake(tmp_path, SMALL, "--workflow-profile", str(PROFILES / name), *arguments, "runs")
    assert planned.returncode == 0, planned.stdout
    assert re.search(r"^train +8$", planned.stdout, re.MULTILINE), planned.stdout
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "config.yaml").write_text(yaml.safe_dump(profile(name) | {"slurm-no-such-option": 1}))
    refused = snakemake(tmp_path, SMALL, "--workflow-profile", str(wrong), *arguments, "runs")
    assert refused.returncode != 0 and "slurm-no-such-option" in refused.stdout


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_slurm_is_asked_for(tmp_path, device):
    """Slurm's commands are replaced: sbatch writes down how it was called, and fails."""
    need("executor", "slurm")
    preset = SMALL | {"execution": {"device": device}}
    data = snakemake(tmp_path, preset, "--cores", "1", "results/small/data/digits.json")
    assert data.returncode == 0, data.stdout
    for name in ("sbatch", "sacct", "squeue", "scontrol", "sinfo"):
        answer = 'echo "all*"' if name == "sinfo" else "exit 1"
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/{name}.calls\n{answer}\n')
        (tmp_path / name).chmod(0o755)
    arguments = (
        "--workflow-profile",
        str(PROFILES / "slurm"),
        "--retries",
        "0",
        "--latency-wait",
        "0",
        "--cores",
        "4",
        "runs",
    )
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    asked = snakemake(tmp_path, preset, *arguments, environment=environment)
    assert asked.returncode != 0
    (call,) = (tmp_path / "sbatch.calls").read_text().splitlines()
    one = next(iter(design().runs))
    side_by_side = 1 if device == "cuda" else 4
    layers = 8 // side_by_side
    assert f" -t {layers * design().minutes(one)} " in call
    assert f" --mem {side_by_side * design().memory_mb(one)} " in call
    assert re.findall(r"--gpus=\S+", call.split("--wrap")[0]) == (["--gpus=1"] if device == "cuda" else [])


def test_the_analysis_of_a_preset_is_one_job():
    """All rules but data, trainings and probes, and the targets, which run nothing."""
    rules = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    grouped = re.findall(
        r'^rule (\w+):\n(?:(?!^rule ).*\n)*?    group:\n        "analysis"', rules, re.MULTILINE
    )
    assert set(grouped) == {"figures", "design", "collect", "probe_table", "claims", "tables", "circuits"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if absent := missing_programs():
        pytest.skip(f"no Slurm here: {', '.join(absent)} not found (Debian: slurm-wlm, munge)")
    need("executor", "slurm")
    with Cluster(tmp_path_factory.mktemp("slurm"), cores=4) as running:
        yield running


def through_slurm(folder, preset, *arguments):
    """A call with the profile, but for what a cluster of one host without accounting needs otherwise."""
    return command(
        folder, preset, "--workflow-profile", str(PROFILES / "slurm"), "--cores", "2",
        "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3",
        "--max-status-checks-per-second", "1", *arguments,
    )  # fmt: skip


def trained(folder):
    """Weights by run id; fails where a run is not completed."""
    with open(folder / "results/small/run_ids.txt", encoding="utf-8") as file:
        runs = [folder / "results/small/runs" / line.strip() for line in file]
    assert all(json.loads((run / "run.json").read_text())["status"] == "completed" for run in runs)
    return {run.name: (run / "weights.safetensors").read_bytes() for run in runs}


@pytest.mark.long
def test_a_preset_goes_through_slurm_in_a_few_jobs(cluster, tmp_path):
    done = subprocess.run(
        through_slurm(tmp_path / "run", SMALL), env=cluster.environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert len(trained(tmp_path / "run")) == 8
    figures = tmp_path / "run/paper_figures/small"
    assert len(list(figures.glob("*.pdf"))) == len(list(figures.glob("*.png"))) > 5
    assert "| claim" in done.stdout
    # Data, eight trainings in one group, design to figures in another.
    assert len(re.findall("has been submitted with SLURM jobid|submitted with SLURM jobid", done.stdout)) == 3


@pytest.mark.long
def test_kills_a_drained_node_and_a_controller_away_cost_no_result(cluster, tmp_path):
    folder, preset = tmp_path / "run", SMALL | {"base": SMALL["base"] | {"iterations": 40_000}}
    call = through_slurm(folder, preset, "--group-components", "short_trainings=2", "--", "runs", "tables")
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        running = subprocess.Popen(call, env=cluster.environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        first = wait_for(lambda: len(trainings(folder)) >= 2 and cluster.jobs("running", "short_trainings"))
        cluster.call("scontrol", "update", "nodename=lgn1", "state=drain", "reason=test")
        victim = next(iter(first))
        cluster.call("scancel", "--signal=KILL", "--full", victim)
        wait_for(lambda: victim not in cluster.jobs("running"))
        # The other node's training, killed as a kernel out of memory kills.
        wait_for(lambda: trainings(folder))[0].kill()
        wait_for(lambda: cluster.states()["lgn1"] == "drained")
        cluster.call("scontrol", "update", "nodename=lgn1", "state=resume")
        cluster.restart_controller(away=10)
        assert running.wait(480) == 0, (tmp_path / "log").read_text()
    finally:
        if running.poll() is None:
            running.kill()
    said = (tmp_path / "log").read_text()
    assert said.count("Trying to restart job") >= 2, said
    with open(folder / "results/small/runs.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 8
    undisturbed = snakemake(tmp_path / "local", preset, "--cores", "2", "runs", "results/small/run_ids.txt")
    assert undisturbed.returncode == 0, undisturbed.stdout
    assert trained(folder) == trained(tmp_path / "local")


def trainings(folder):
    """The processes that train in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            words = process.info["cmdline"] or []
            if words[1:4] == ["-m", "lgn", "train"] and process.cwd() == os.path.realpath(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.2)
    return met
