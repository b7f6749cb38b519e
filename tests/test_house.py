"""The house stays as it is drawn: who may import whom, and how long a file may be."""

import ast
import re

import pytest
from conftest import ROOT

from lgn.methods import METHODS, parametrizations

ALLOWED = {
    "lgn": ("lgn",),
    "lgn/kernels": (
        *("lgn.kernels", "lgn.arrays", "lgn.errors", "lgn.gates", "lgn.methods", "lgn.network", "lgn.noise"),
        *("lgn.randomness", "lgn.data.encoding", "lgn.memory"),
    ),
    "study": ("study", "lgn"),
    "probes": ("probes", "circuits", "lgn"),
    "circuits": ("circuits", "lgn"),
    "analysis": ("analysis", "study", "probes", "lgn"),
}
"""Modules of ours that those of a folder import. lgn.cli names its rooms above as strings."""

OURS = {"lgn", "study", "probes", "circuits", "analysis", "benchmarks", "tests"}
MOST_LINES, MOST_CORE_LINES, MOST_SNAKEFILE_LINES = 300, 3533, 50
MOST_PARAMETERS = 10


OF_THE_PAPER = {"paper_values.py", "published.py", "claims.py", "claim_tables.py", "fairness.py"}
"""Modules of analysis that are about the paper's two methods, by name. All others are about whatever ran."""


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lines(path):
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_go_one_way(folder):
    allowed = tuple(f"{name}." for name in ALLOWED[folder])
    for path in (ROOT / folder).rglob("*.py"):
        ours = [name for name in imports(path) if name.split(".")[0] in OURS]
        assert [name for name in ours if not f"{name}.".startswith(allowed)] == [], path


def test_the_core_is_compact():
    for path in (ROOT / "lgn").rglob("*.py"):
        assert lines(path) <= MOST_LINES, path
    core = [*(ROOT / "lgn").glob("*.py"), *(ROOT / "lgn/data").glob("*.py")]
    assert sum(map(lines, core)) <= MOST_CORE_LINES
    for path in (ROOT / "Snakefile", ROOT / "workflow/Snakefile"):
        assert lines(path) < MOST_SNAKEFILE_LINES


def test_a_kernel_takes_few_arguments():
    """Compile-time constants, in capitals, and self apart."""
    for path in (ROOT / "lgn/kernels").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                names = [one.arg for one in (*node.args.args, *node.args.kwonlyargs)]
                counted = [name for name in names if name != "self" and not name.isupper()]
                assert len(counted) <= MOST_PARAMETERS, (path, node.name)


def test_pre_commit_runs_the_linters_that_ci_runs():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    for name in ("ruff", "snakefmt"):
        (pinned,) = re.findall(rf"^{name}==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
        assert f"rev: v{pinned}\n" in hooks, name


def test_analysis_names_no_method_but_in_the_study_of_the_paper():
    named = [name for kind in parametrizations().values() for name in kind.named]
    quoted = re.compile(rf"[\"']({'|'.join([*METHODS, *named])})[\"']")
    found = {path.name for path in (ROOT / "analysis").rglob("*.py") if quoted.search(path.read_text())}
    assert found <= OF_THE_PAPER
