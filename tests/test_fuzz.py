"""Readers on arbitrary input: they return the right value or raise one line, never another exception.

Each property runs on few examples with the other tests, and on very many under `make test-all`.
"""

import gzip
import shutil

import numpy as np
import pytest
from analysis_records import write_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.records import read_record
from lgn.data.formats import read_cifar, read_idx
from lgn.errors import LgnError
from lgn.records import CHECKPOINT, read_checkpoint, write_checkpoint
from lgn.run import parse_run
from study.preset import read_preset

EFFORTS = [
    pytest.param(60, id="few"),
    pytest.param(10_000, id="many", marks=pytest.mark.long),
]
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

RUN = {
    "dataset": "digits", "thresholds": 2, "depth": 2, "width": 100, "temperature": 0.5, "group_temperature": 4,
    "iterations": 40, "evaluations": 8, "noise": "none", "straight_through": True, "seed": 0,
}  # fmt: skip

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([*RUN, "method", "dlgn", "digits", "1e400", "=", "!!python/name:os.system"])
)  # fmt: skip
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(scalars, v, max_size=4), max_leaves=12
)


def fuzz(examples, **strategies):
    def wrap(check):
        given(**strategies)(
            settings(max_examples=examples, deadline=None, suppress_health_check=CHECKS)(check)
        )()

    return wrap


def complaint_of(read):
    """The message of LgnError, which is one line; None where there is none. Any other exception is a failure."""
    try:
        read()
    except LgnError as error:
        assert "\n" not in str(error), str(error)
        return str(error)
    return None


def flipped(content, positions):
    """Bytes with some bits flipped; positions count from the start, cyclically."""
    result = bytearray(content)
    for position in positions:
        if result:
            result[position // 8 % len(result)] ^= 1 << position % 8
    return bytes(result)


bits = st.lists(st.integers(0, 2**20), min_size=1, max_size=4)


@pytest.mark.parametrize("examples", EFFORTS)
def test_any_bytes_as_a_preset(tmp_path, examples):
    @fuzz(examples, content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def check(content):
        path = tmp_path / "preset.yaml"
        path.write_bytes(content)
        assert complaint_of(lambda: read_preset(path)) is not None


@pytest.mark.parametrize("examples", EFFORTS)
def test_any_settings_of_a_run(examples):
    @fuzz(examples, key=st.sampled_from(list(RUN)) | st.text(max_size=5), value=values)
    def check(key, value):
        if complaint_of(lambda: parse_run(RUN | {key: value})) is None:
            parsed = parse_run(RUN | {key: value})
            assert parse_run(parsed.model_dump()) == parsed


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
IDX = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]) + IMAGES.tobytes()


@pytest.mark.parametrize("examples", EFFORTS)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_any_bytes_as_an_idx_file(tmp_path, suffix, examples):
    whole = gzip.compress(IDX, mtime=0) if suffix else IDX
    mutated = bits.map(lambda positions: flipped(whole, positions))
    cut = st.integers(0, len(whole)).map(lambda size: whole[:size])

    @fuzz(examples, content=st.binary(max_size=64) | mutated | cut | st.just(whole + b"x"))
    def check(content):
        path = tmp_path / f"images{suffix}"
        path.write_bytes(content)
        if complaint_of(lambda: read_idx(path, IMAGES.shape)) is None:
            assert read_idx(path, IMAGES.shape).shape == IMAGES.shape


@pytest.mark.parametrize("examples", EFFORTS)
def test_any_bytes_as_a_cifar_file(tmp_path, examples):
    @fuzz(examples, content=st.binary(max_size=40) | st.binary(min_size=15, max_size=15))
    def check(content):
        path = tmp_path / "batch.bin"
        path.write_bytes(content)
        if complaint_of(lambda: read_cifar(path, 3, (10,), 4)) is None:
            images, labels = read_cifar(path, 3, (10,), 4)
            assert images.shape == (3, 4) and labels.max() < 10


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("fuzzed"), "glgn", 0)


@pytest.mark.parametrize("examples", EFFORTS)
@pytest.mark.parametrize("name", ["run.json", "history.csv", "gates.npz"])
def test_a_record_with_a_file_changed_in_any_way(whole, tmp_path, name, examples):
    """Whatever is accepted says what the whole record says, but for what run.json alone can say."""
    directory = shutil.copytree(whole, tmp_path / whole.name)
    content, expected = (whole / name).read_bytes(), read_record(whole)
    mutated = bits.map(lambda positions: flipped(content, positions))
    cut = st.integers(0, len(content)).map(lambda size: content[:size])

    @fuzz(max(20, examples // 10), damaged=st.binary(max_size=64) | mutated | cut)
    def check(damaged):
        (directory / name).write_bytes(damaged)
        if complaint_of(lambda: read_record(directory)) is None:
            record = read_record(directory)
            assert record.history.equals(expected.history)
            assert all(np.array_equal(record.gates[key], expected.gates[key]) for key in expected.gates)
            assert record.run["run_id"] == expected.run["run_id"]


@pytest.mark.parametrize("examples", EFFORTS)
def test_a_checkpoint_changed_in_any_way(tmp_path, examples):
    import torch

    write_checkpoint(tmp_path, {"history": [1.5], "seconds": 2}, {"x": torch.arange(40.0)})
    path = tmp_path / CHECKPOINT
    content = path.read_bytes()
    mutated = bits.map(lambda positions: flipped(content, positions))
    cut = st.integers(0, len(content) - 1).map(lambda size: content[:size])

    @fuzz(examples, damaged=st.binary(max_size=64) | mutated | cut)
    def check(damaged):
        path.write_bytes(damaged)
        if complaint_of(lambda: read_checkpoint(tmp_path)) is None:
            state, tensors = read_checkpoint(tmp_path)
            assert state == {"history": [1.5], "seconds": 2} and torch.equal(tensors["x"], torch.arange(40.0))
