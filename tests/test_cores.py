"""Cores are counted for the process, not for the machine; the home folder may be read-only."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from lgn.machine import describe, usable_cores


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", 6),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("1000 100000", 1),
        ("900000 100000", 6),
        ("", 6),
    ],
)
def test_a_containers_limit_counts(tmp_path, monkeypatch, limit, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)))
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert usable_cores(tmp_path) == cores
    assert usable_cores(tmp_path / "nowhere") == 6


def test_a_cpu_set_counts_in_records_and_in_make(monkeypatch):
    one = min(os.sched_getaffinity(0))
    printed = subprocess.run(
        ["make", "help", f"PYTHON={sys.executable}"], cwd=ROOT, capture_output=True, text=True, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {one}),
    ).stdout  # fmt: skip
    assert "CORES=1)" in printed
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {one})
    assert describe("numba", "cpu", threads=1, together=1)["cores"] == 1


@pytest.mark.parametrize("home", ["/proc/nonexistent", ""])
def test_make_has_a_place_for_caches_where_home_is_none(tmp_path, home):
    """Snakemake ends in a traceback without one. The installation counts as done, and nothing is run."""
    (tmp_path / ".complete").touch()
    environment = {"PATH": os.environ["PATH"], "HOME": home or str(tmp_path)}
    command = ["make", "-n", "-o", str(tmp_path / ".complete"), f"VENV={tmp_path}", "reproduce"]
    printed = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert (f"XDG_CACHE_HOME={tmp_path}/.cache" in printed) == bool(home)
    assert f"{tmp_path}/bin/snakemake --cores" in printed
