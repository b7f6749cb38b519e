"""Cores are those that a process may use, not those of the machine."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from lgn.cores import usable_cores
from lgn.environment import describe


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
