"""Same settings and seed give the same bytes under any load; each random stream has its own seed."""

import numpy as np
import pytest
import torch
from training_process import SETTINGS, record_bytes, run, start

from lgn.prepare import build_network
from lgn.randomness import Batches
from lgn.run import parse_run

METHODS = {
    "glgn": dict(noise="gumbel", straight_through=True),
    "dlgn": dict(noise="none", straight_through=False),
}


@pytest.mark.parametrize("method", METHODS)
def test_threads_and_runs_beside_it_change_no_byte(tmp_path, method):
    """Five processes at once, some with more threads than cores, against one process alone."""
    settings = METHODS[method] | dict(iterations=600)
    assert run(tmp_path / "alone", **settings)[0] == 0
    together = {
        tmp_path / f"{number}_{threads}": start(
            tmp_path / f"{number}_{threads}", "--threads", str(threads), **settings
        )
        for number, threads in enumerate((1, 1, 2, 3, 4))
    }
    expected = record_bytes(tmp_path / "alone")
    for directory, process in together.items():
        printed, _ = process.communicate()
        assert process.returncode == 0, printed
        assert record_bytes(directory) == expected, directory.name


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_another_process_gives_the_same_bytes(tmp_path, backend):
    for name in "ab":
        status, printed = run(tmp_path / name, "--backend", backend, iterations=300)
        assert status == 0, printed
    assert record_bytes(tmp_path / "a") == record_bytes(tmp_path / "b")


def test_the_method_changes_neither_wiring_nor_initial_logits_nor_data_order():
    networks = [
        build_network(parse_run(SETTINGS | dict(noise=noise, straight_through=straight_through)), inputs=256)
        for noise, straight_through in (("none", False), ("gumbel", True), ("logistic", False))
    ]
    for other in networks[1:]:
        for name, tensor in networks[0].state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name]), name
        assert other.noise_seed == networks[0].noise_seed


def test_each_seed_has_streams_of_its_own():
    first, second = (build_network(parse_run(SETTINGS | {"seed": seed}), inputs=256) for seed in (0, 1))
    assert not torch.equal(first.wiring(0), second.wiring(0))
    assert not torch.equal(first.logits[0], second.logits[0])
    assert (
        len({n.noise_seed for n in (first, second)} | {n.evaluation_noise_seed for n in (first, second)}) == 4
    )
    orders = [Batches(1000, 50, seed)[0] for seed in (0, 1)]
    assert not np.array_equal(*orders)
