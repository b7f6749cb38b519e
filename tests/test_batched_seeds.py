"""Batched seeds on the Triton backend, on a GPU where there is one, else under Triton's interpreter."""

import csv
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from lgn import evaluate, prepare
from lgn.data import Dataset, Split
from lgn.errors import LgnError
from lgn.kernels import resolve
from lgn.methods import Estimator, OptimizerSettings
from lgn.network import LogicNetwork
from lgn.records import write_checkpoint
from lgn.run import Execution, parse_run
from lgn.train import train
from study.cli import parse_runs
from study.seeds import train_seeds

SETTINGS = dict(
    dataset="digits", thresholds=2, depth=2, width=10, noise="gumbel", temperature=0.5, straight_through=True,
    group_temperature=1.0, batch_size=16, iterations=12, evaluations=3, train_evaluation_images=20,
)  # fmt: skip
CLOCKS = ("training_seconds", "elapsed_seconds")
TRITON = Execution(backend="triton", device="cuda" if torch.cuda.is_available() else "cpu")
LEVELS = np.full((1, 4), 128, np.uint8)


@pytest.fixture(scope="module", autouse=True)
def few_images():
    """Evaluating all digits takes the interpreter a minute."""
    load = prepare.load

    def load_few(*arguments):
        whole = load(*arguments)
        splits = (whole.train, whole.validation, whole.test)
        few = [
            Split(*(array[:count] for array in split))
            for split, count in zip(splits, (300, 0, 40), strict=True)
        ]
        return Dataset(whole.name, *few, whole.sha256)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "load", load_few)
        patch.setattr(evaluate, "TRAIN_MODE_DRAWS", 2)
        yield


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Directories of three seeds, each trained by itself."""
    pytest.importorskip("triton")
    folder = tmp_path_factory.mktemp("alone")
    for seed, run in enumerate(seeds()):
        train(run, folder / str(seed), folder, TRITON)
    return folder


def seeds(count=3):
    return [parse_run(SETTINGS | {"seed": seed}) for seed in range(count)]


def assert_same_record(ours, theirs):
    for name in ("weights.safetensors", "gates.npz"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    rows = []
    for directory in (ours, theirs):
        with open(directory / "history.csv", newline="") as file:
            rows.append([{k: v for k, v in row.items() if k not in CLOCKS} for row in csv.DictReader(file)])
    assert rows[0] == rows[1]


def engines_of_seeds(count=2):
    pytest.importorskip("triton")
    from lgn.kernels.gpu.seed_engines import seed_engines

    networks = [
        LogicNetwork(
            inputs=4, classes=2, depth=1, width=4, wiring="random", init="gaussian", init_scale=1.0, init_bias=0.0,
            group_temperature=1.0, estimator=Estimator("none", 1.0, True), seed=seed,
        )
        for seed in range(count)
    ]  # fmt: skip
    return seed_engines(networks, LEVELS, OptimizerSettings(0.01), TRITON.device)


def test_seeds_together_make_the_records_they_make_alone(tmp_path, alone):
    records = train_seeds({tmp_path / str(seed): run for seed, run in enumerate(seeds())}, tmp_path, TRITON)
    assert [record["settings"]["seed"] for record in records] == [0, 1, 2]
    for seed, record in enumerate(records):
        assert record["environment"]["together"] == 3
        assert_same_record(tmp_path / str(seed), alone / str(seed))


def test_seeds_of_a_method_without_a_fused_step_train_in_turn(tmp_path, monkeypatch):
    pytest.importorskip("triton")
    alone = {"parametrization": "light", "noise": "none", "temperature": 1.0, "straight_through": False}
    trained = []
    monkeypatch.setattr("study.seeds.train", lambda run, *_: trained.append(run.seed))
    monkeypatch.setattr("study.seeds.records.read_run", lambda path: {})
    runs = [parse_run(SETTINGS | alone | {"seed": seed}) for seed in range(2)]
    train_seeds({tmp_path / str(run.seed): run for run in runs}, tmp_path, TRITON)
    assert trained == [0, 1]


@pytest.mark.long
def test_seeds_together_cool_down_as_they_do_alone(tmp_path, monkeypatch):
    """The seeds are at different iterations, and so at different temperatures in one launch."""
    pytest.importorskip("triton")
    monkeypatch.setattr("lgn.state.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("lgn.state.CHECKPOINT_SHARE", math.inf)
    soft = dict(noise="none", straight_through=False, temperature=2.0, final_temperature=0.1, iterations=6)
    runs = {tmp_path / str(seed): parse_run(SETTINGS | soft | {"seed": seed}) for seed in (0, 1)}

    def interrupt(iteration, row):
        if row is not None and iteration >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(runs[tmp_path / "1"], tmp_path / "1", tmp_path, TRITON, interrupt)
    train_seeds(runs, tmp_path, TRITON)
    for path, run in runs.items():
        train(run, tmp_path / "alone" / path.name, tmp_path, TRITON)
        assert_same_record(path, tmp_path / "alone" / path.name)


def test_a_seed_that_is_further_on_leaves_first_and_the_others_end(tmp_path, alone, monkeypatch):
    monkeypatch.setattr("lgn.state.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("lgn.state.CHECKPOINT_SHARE", math.inf)

    def interrupt(iteration, row):
        if row is not None and iteration >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(seeds()[1], tmp_path / "1", tmp_path, TRITON, interrupt)
    train_seeds({tmp_path / str(seed): run for seed, run in enumerate(seeds())}, tmp_path, TRITON)
    for seed in range(3):
        assert_same_record(tmp_path / str(seed), alone / str(seed))


def test_a_seed_that_fails_leaves_the_others_to_end(tmp_path, alone):
    def fail_at_seed_1(run):
        def progress(iteration, row):
            if run.seed == 1 and iteration >= 6:
                raise OSError("disk full")

        return progress

    runs = {tmp_path / str(seed): run for seed, run in enumerate(seeds())}
    with pytest.raises(OSError, match="disk full"):
        train_seeds(runs, tmp_path, TRITON, fail_at_seed_1)
    for seed in (0, 2):
        assert_same_record(tmp_path / str(seed), alone / str(seed))
    assert not (tmp_path / "1" / "run.json").exists()


def test_a_step_that_fails_stops_all_with_the_reason():
    images = [np.zeros((3, 4), np.uint8), np.zeros((5, 4), np.uint8)]
    with ThreadPoolExecutor(2) as threads:
        steps = [
            threads.submit(one.step, x, np.zeros(len(x)))
            for one, x in zip(engines_of_seeds(), images, strict=True)
        ]
    for step in steps:
        with pytest.raises(LgnError, match="stopped: all input arrays must have the same shape"):
            step.result()


def test_stopping_wakes_those_that_wait():
    first, second = engines_of_seeds()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(first.step, np.zeros((3, 4), np.uint8), np.zeros(3))
        second.stop_all(KeyboardInterrupt())
        with pytest.raises(LgnError, match="stopped: KeyboardInterrupt"):
            waiting.result(timeout=60)


def test_a_network_that_has_left_keeps_its_logits_while_the_others_go_on():
    first, second = engines_of_seeds()
    pixels, labels = np.full((3, 4), 200, np.uint8), np.array([0, 1, 1])
    with ThreadPoolExecutor(2) as threads:
        for step in [threads.submit(one.step, pixels, labels) for one in (first, second)]:
            step.result()
    first.leave()
    kept = first.network.logits[0].detach().clone()
    second.step(pixels, labels)
    assert torch.equal(first.network.logits[0], kept)
    assert (int(first.network.iteration), int(second.network.iteration)) == (1, 2)


def test_on_other_backends_one_seed_trains_after_the_other(tmp_path):
    execution = Execution(backend="numba", device="cpu")
    records = train_seeds(
        {tmp_path / str(seed): run for seed, run in enumerate(seeds(2))}, tmp_path, execution
    )
    assert [record["environment"]["together"] for record in records] == [1, 1]
    train(seeds()[1], tmp_path / "alone", tmp_path, execution)
    assert_same_record(tmp_path / "1", tmp_path / "alone")


def test_a_seed_that_cannot_go_on_leaves_those_after_it_to_end(tmp_path):
    (tmp_path / "0").mkdir()
    write_checkpoint(tmp_path / "0", {"fingerprint": "another's", "history": []}, {"x": torch.zeros(1)})
    runs = {tmp_path / str(seed): run for seed, run in enumerate(seeds(2))}
    with pytest.raises(LgnError, match="0/checkpoint.safetensors: was made by another's"):
        train_seeds(runs, tmp_path, Execution(backend="numba", device="cpu"))
    assert (tmp_path / "1" / "run.json").exists() and not (tmp_path / "0" / "run.json").exists()


def test_seeds_with_a_record_train_anew_only_where_that_is_asked(tmp_path):
    runs = {tmp_path / str(seed): run for seed, run in enumerate(seeds(2))}
    numba, made = Execution(backend="numba", device="cpu"), []
    for again in (False, False, True):
        train_seeds(runs, tmp_path, numba, again=again)
        made.append([(path / "run.json").stat().st_mtime_ns for path in runs])
    assert made[0] == made[1] and all(a < b for a, b in zip(made[1], made[2], strict=True))


def test_only_seeds_of_one_setting_train_together(tmp_path):
    other = parse_run(SETTINGS | {"width": 40, "seed": 1})
    with pytest.raises(LgnError, match="^seed: runs that train together differ in more than their seeds"):
        train_seeds({tmp_path / "a": seeds()[0], tmp_path / "b": other}, tmp_path, TRITON)
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_seeds_is_a_run_for_each(tmp_path):
    assert parse_runs(SETTINGS | {"seed": 3}, tmp_path) == {tmp_path: parse_run(SETTINGS | {"seed": 3})}
    several = parse_runs(SETTINGS | {"seed": "0,1,2,"}, tmp_path)
    assert several == {tmp_path / run.run_id: run for run in seeds()}
    assert next(iter(parse_runs(SETTINGS | {"seed": "7,"}, tmp_path).values())).seed == 7


@pytest.mark.parametrize("value", ["1,1", "0,-1", "0,x", ",", "0,,1"])
def test_bad_lists_of_seeds_are_refused_in_one_line(tmp_path, value):
    with pytest.raises(LgnError) as caught:
        parse_runs(SETTINGS | {"seed": value}, tmp_path)
    assert "seed" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("backend", "device", "message"),
    [
        ("cuda", "cpu", "^backend: 'cuda' is unknown; allowed: auto, torch, numba, triton"),
        ("triton", "cpu", "^backend: triton needs a GPU, or TRITON_INTERPRET=1"),
    ],
)
def test_a_backend_that_cannot_run_here_is_refused(monkeypatch, backend, device, message):
    pytest.importorskip("triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(LgnError, match=message):
        resolve(backend, device)


def test_auto_takes_the_fastest_backend_of_a_device(monkeypatch):
    assert resolve("auto", "cpu") == ("numba", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for found, backend in ((object(), "triton"), (None, "torch")):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, found=found: found)
        assert resolve("auto", "auto") == (backend, "cuda")
    with pytest.raises(LgnError, match="^backend: numba runs on the cpu, not on device cuda"):
        resolve("numba", "cuda")
    with pytest.raises(LgnError, match="^backend: triton is not installed here"):
        resolve("triton", "cuda")
