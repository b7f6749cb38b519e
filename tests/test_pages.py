"""Every command line and Python example of a page runs: in little where it would take long, dry where it installs."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import analysis.cli
import benchmarks.__main__
import lgn.cli
import lgn.methods

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    if re.search("```(sh|python)", (ROOT / name).read_text())
]

BLOCK = r"(?:Save this as `(lgn/methods/\w+\.py)`\.[^`]*)?```(sh|python)\n(.*?)```"
"""A file that it is to be saved as, if any; its language; its text."""

NOT_OURS = ("source", "pip", "aws", "export")
"""First words of lines that others' pages answer for."""

SHORTER = {
    r"iterations=(\d)\d*": r"iterations=\g<1>00",
    r"width=\d{3}\b": "width=50",
    r"width=\d{4,}": "width=300",
    r"--seconds \d+": "--seconds 0.1",
    r"cifar10( |$)": r"digits\1",
    r"thresholds=31": "thresholds=8",
}
"""What makes a command short, or spares it a download."""


def commands(text):
    """Shell lines, those that go on joined, without comments and what is piped on."""
    lines = text.replace("\\\n", " ").splitlines()
    found = [shlex.split(line.split(" | ")[0], comments=True) for line in lines]
    return [
        words for words in found if words and words[0] not in NOT_OURS and not any("<" in w for w in words)
    ]


def shortened(words):
    line = shlex.join(words)
    for long, short in SHORTER.items():
        line = re.sub(long, short, line)
    return shlex.split(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_shows_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "results/reference").symlink_to(ROOT / "results/reference")
    (tmp_path / "results/default").symlink_to(ROOT / "results/reference/verify")
    names = {}
    monkeypatch.setattr(lgn.methods, "__path__", [*lgn.methods.__path__, str(tmp_path)])
    for file, language, text in re.findall(BLOCK, page.read_text(), re.DOTALL):
        if file:
            (tmp_path / Path(file).name).write_text(text)
        elif language == "python":
            exec(compile(text, str(page), "exec"), names)
        else:
            for words in commands(text):
                run(words)


def test_the_notebook_runs(monkeypatch):
    monkeypatch.chdir(ROOT / "docs")
    names = {}
    for cell in json.loads((ROOT / "docs/kept_results.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "kept_results.ipynb", "exec"), names)
    assert len(names["tables"].runs) == 90


def run(words):
    program, *arguments = words
    if program == "make":
        succeeds(["make", "--dry-run", "--directory", str(ROOT), *arguments])
    elif program == "snakemake":
        plans(arguments)
    elif program == "lgn":
        status = lgn.cli.main(shortened(arguments))
        assert status == 0 or (arguments[0] == "pieces" and status > 128), words
    elif words[:3] == ["python", "-m", "analysis"]:
        assert analysis.cli.main(words[3:]) == 0, words
    elif program == "pytest":
        assert (ROOT / arguments[0]).is_file(), words
    elif words[:3] == ["python", "-m", "benchmarks"]:
        benchmarks.__main__._parser().parse_args(words[3:])
    else:
        pytest.fail(f"{shlex.join(words)}: this test does not know how to run it")


def plans(arguments):
    """A dry run; of a report, or where a plugin is missing, whether what --configfile takes for presets are some."""
    line = shlex.join(arguments)
    plugins = {
        "slurm": "executor_plugin_slurm",
        "kubernetes": "executor_plugin_kubernetes",
        "fs": "storage_plugin_fs",
    }
    missing = [
        name
        for name, plugin in plugins.items()
        if f" {name} " in f"{line} " and not importlib.util.find_spec(f"snakemake_{plugin}")
    ]
    if missing or "--report" in arguments or "kubernetes" in arguments:
        taken = re.search(r"--configfile((?: [^- ]\S*)+)", line)
        assert taken is None or all(Path(name).is_file() for name in taken[1].split()), line
    else:
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        succeeds([*snakemake, *arguments, "--dry-run", "--quiet"])


def succeeds(command):
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"} | {
        "PYTHONPATH": str(ROOT)
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
