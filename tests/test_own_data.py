"""Data of one's own: what a .npz or .csv file may hold, its bits by hand, runs that are named after its contents."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from analysis.collect import collect
from analysis.comparisons import chance
from analysis.records import read_run_json
from analysis.tidy import read_tables
from lgn.cli import main
from lgn.data import load
from lgn.data.files import dataset_info
from lgn.data.tables import column_levels
from lgn.errors import LgnError
from lgn.files import sha256
from lgn.inference import DiscreteNetwork
from lgn.prepare import read_data
from lgn.restore import evaluate_record, restore
from lgn.run import Execution, parse_run
from lgn.train import train
from probes.class_gates import firing_shares
from study.plan import Design
from study.preset import parse_preset

RUN = dict(
    thresholds=1, depth=3, width=100, noise="none", temperature=1.0, straight_through=False, group_temperature=5.0,
    learning_rate=0.05, batch_size=32, iterations=100, evaluations=4, seed=0,
)  # fmt: skip
DOCS = Path(__file__).resolve().parent.parent / "docs" / "data.md"


def write_csv(path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def write_npz(path, **arrays) -> str:
    np.savez(path, **arrays)
    return str(path)


def monk1(path, seed: int = 0) -> str:
    """MONK-1 by its published rule: six attributes, all 432 robots the test, a third of them to train on."""
    robots = np.array(list(itertools.product("abc", "abc", "ab", "abc", "abcd", "ab")))
    labels = np.where((robots[:, 0] == robots[:, 1]) | (robots[:, 4] == "a"), "yes", "no")
    chosen = np.random.RandomState(seed).permutation(len(robots))[:144]
    return write_npz(path, x_train=robots[chosen], y_train=labels[chosen], x_test=robots, y_test=labels)


# ---- tables


def test_a_table_by_hand(tmp_path):
    """Numbers stay, two values are one bit, words are numbered; a word that training lacks has no bit."""
    train_rows = [
        ["1.5", "0", "red", "yes", "same"],
        ["2.5", "7", "blue", "no", "same"],
        ["4", "0", "green", "no", "same"],
    ]
    test_rows = [["9", "3", "pink", "yes", "other"]]
    path = write_npz(
        tmp_path / "x.npz", x_train=train_rows, y_train=[5, 3, 5], x_test=test_rows, y_test=[[3]]
    )
    info = dataset_info(path)
    assert (info.classes, info.bits, info.inputs(4)) == (2, (None, 1, 3, 1, 0), 9)
    found = load(path, 0.0, tmp_path)
    order = np.argsort(found.train.images[:, 0])
    assert found.train.images[order].tolist() == [[1.5, 0, 2, 1, 0], [2.5, 1, 0, 0, 0], [4, 0, 1, 0, 0]]
    assert found.train.labels[order].tolist() == [1, 0, 1] and found.test.labels.tolist() == [0]
    run = parse_run(
        RUN | {"dataset": path, "thresholds": 2, "threshold_placement": "quantile", "validation_share": 0}
    )
    encoded, thresholds = read_data(run, tmp_path)
    assert encoded.train.images[order].tolist() == [
        [0, 0, 0, 0, 0, 1, 1], [1, 0, 1, 1, 0, 0, 0], [1, 1, 0, 0, 1, 0, 0]
    ]  # fmt: skip
    assert encoded.test.images.tolist() == [[1, 1, 1, 0, 0, 0, 1]]
    assert thresholds.tolist() == [[0] * 7] and encoded.sha256 == found.sha256


@pytest.mark.parametrize(
    ("placement", "values", "count", "levels"),
    [
        ("quantile", [4, 1, 3, 2], 3, [1, 2, 3]),
        ("quantile", [1, 1, 1, 9], 3, [1, 1, 1]),
        ("quantile", [1, 2, 9, 9, 9], 2, [2, 2]),
        ("quantile", [0.5, -1, 8], 1, [0.5]),
        ("uniform", [0, 1, 8], 3, [2, 4, 6]),
        ("uniform", [-1, 3, 0], 1, [1]),
    ],
)
def test_thresholds_of_a_column_by_hand(placement, values, count, levels):
    found = column_levels(np.array(values, float), count, placement)
    assert found.tolist() == levels
    assert (np.max(values) > found).all()


def test_thresholds_are_those_of_the_training_part(tmp_path):
    """And the words those of all training rows, so that the number of inputs is the file's."""
    rows = np.random.default_rng(0).normal(size=(100, 1))
    path = write_npz(
        tmp_path / "x.npz", x_train=rows, y_train=np.arange(100) % 2, x_test=rows, y_test=np.arange(100) % 2
    )
    settings = RUN | {
        "dataset": path,
        "thresholds": 3,
        "threshold_placement": "quantile",
        "validation_share": 0.3,
    }
    raw = load(path, 0.3, tmp_path)
    encoded, _ = read_data(parse_run(settings), tmp_path)
    levels = column_levels(raw.train.images[:, 0], 3, "quantile")
    for split, bits in (
        (raw.train, encoded.train),
        (raw.validation, encoded.validation),
        (raw.test, encoded.test),
    ):
        np.testing.assert_array_equal(bits.images, split.images > levels)


def test_a_csv_files_test_rows_are_a_fifth_of_each_class_and_always_the_same(tmp_path):
    lines = [f"{i},{'spam' if i % 4 else 'ham'},{i / 2}" for i in range(100)]
    path = write_csv(tmp_path / "x.csv", "first,label,second", *lines)
    found = load(path, 0.0, tmp_path)
    assert np.bincount(found.test.labels).tolist() == [5, 15] and np.bincount(
        found.train.labels
    ).tolist() == [20, 60]
    rows = np.concatenate((found.train.images, found.test.images))
    labels = np.concatenate((found.train.labels, found.test.labels))
    assert sorted(rows.tolist()) == [[i, i / 2] for i in range(100)]
    np.testing.assert_array_equal(labels, rows[:, 0] % 4 > 0)
    assert found.sha256 == load(path, 0.0, tmp_path).sha256
    last = write_csv(tmp_path / "y.csv", "a,b", *(f"{i % 3}, x{i % 5} " for i in range(50)))
    assert dataset_info(last).classes == 5 and dataset_info(last).bits == (None,)


def test_images_are_flattened_channel_row_column(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 2, 5, 3), dtype=np.uint8)
    labels = np.arange(12) % 3
    path = write_npz(tmp_path / "x.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    info = dataset_info(path)
    assert (info.channels, info.rows, info.columns, info.classes, info.inputs(2)) == (3, 2, 5, 3, 60)
    found = load(path, 0.0, tmp_path)
    assert found.test.images.dtype == np.uint8
    np.testing.assert_array_equal(found.test.images[7].reshape(3, 2, 5)[1], images[7, :, :, 1])
    gray = write_npz(
        tmp_path / "g.npz", x_train=images[..., 0], y_train=labels, x_test=images[..., 0], y_test=labels
    )
    np.testing.assert_array_equal(load(gray, 0.0, tmp_path).test.images, images[..., 0].reshape(12, 10))


GOOD = dict(
    x_train=np.zeros((4, 2)) + [[0, 1], [1, 2], [2, 3], [3, 4]],
    y_train=[0, 1, 0, 1],
    x_test=np.ones((2, 2)),
    y_test=[0, 1],
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_val": [1]}, "holds x_train, y_train, x_test, y_test, x_val; expected x_train, y_train, x_test, y_test"),
        ({"x_train": np.array([[{}, 1]] * 4)}, "cannot be read as arrays (Object arrays cannot be loaded"),
        ({"y_train": [0, 1, 0]}, "x_train has shape (4, 2), y_train (3,); expected as many of each"),
        ({"x_test": np.ones((2, 3))}, "x_train is float64 of shape (4, 2), x_test float64 of shape (2, 3)"),
        ({"x_train": np.ones((4, 2)) * [1, np.nan]}, "column 1: has nan; allowed: finite numbers"),
        ({"x_train": np.ones((4, 2)), "x_test": np.ones((2, 2))}, "every column has one value only in"),
        ({"x_train": np.ones((4, 2), complex), "x_test": np.ones((2, 2), complex)}, "column 0: is complex128; allowed"),
        ({"x_train": np.ones((4, 3, 3)), "x_test": np.ones((2, 3, 3))}, "x is float64 of shape (4, 3, 3)"),
        (
            {name: np.ones((n, 3, 8, 8), np.uint8) for name, n in (("x_train", 4), ("x_test", 2))},
            "x is uint8 of shape (4, 3, 8, 8); expected a table (n, columns) of numbers or words, or uint8 images",
        ),
        ({"y_train": [0, 0.5, 0, 1]}, "labels: have 0.5; allowed: whole numbers or words"),
        ({"y_train": [1, 1, 1, 1]}, "labels: are of 1 class; allowed: at least two"),
        ({"y_test": [0, 2]}, "labels: 2.0 of the test is no training label"),
        ({"y_train": np.eye(2)[[0, 1, 0, 1]]}, "labels have shapes (4, 2) and (2,); expected (n,) each"),
    ],
)  # fmt: skip
def test_arrays_of_another_kind_are_refused_in_one_line(tmp_path, change, words):
    path = write_npz(tmp_path / "x.npz", **(GOOD | change))
    with pytest.raises(LgnError) as refused:
        load(path, 0.1, tmp_path)
    assert str(refused.value).startswith(f"{path}: {words}") and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,x\n2\n", "row 2 has 1 cells; expected 2"),
        ("a,b\n1,x\n2,\n", "labels: has an empty cell"),
        ("a,b\n1,x\n,y\n3,x\n1,x\n2,x\n", "column a: has an empty cell; allowed: numbers, or words, such as"),
        ("a,b\n1,x\n?,y\n3,x\n1,x\n2,x\n", "column a: has '1' and '?'; allowed: all numbers, or all words"),
        ("a,b\n1,x\n2,y\n", "has 2 rows; expected at least 3 of a class"),
        ("1,2\n1,0\n2,1\n", "begins with 1, 2; expected names of the columns, all different"),
        ("a,a\n1,0\n2,1\n", "begins with a, a; expected names of the columns, all different"),
        ("a;b\n1;0\n2;1\n", "has 1 columns and 2 rows; expected at least two columns, separated by commas"),
        ("", "has 0 columns and 0 rows"),
        ('a,b\n1,"0\n', "cannot be read as CSV in UTF-8"),
        ("a,b\n1,\xff0\n", "cannot be read as CSV in UTF-8"),
    ],
)
def test_csv_files_of_another_kind_are_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(LgnError) as refused:
        load(str(path), 0.1, tmp_path)
    message = str(refused.value).replace("the training rows of ", "")
    assert message.startswith(f"{path}: {words}") and "\n" not in message


# ---- runs


def test_a_run_is_named_after_the_files_contents_wherever_it_lies(tmp_path):
    content = ["f,label", *(f"{i},{i % 2}" for i in range(20))]
    (tmp_path / "other").mkdir()
    first = write_csv(tmp_path / "My data_1.csv", *content)
    moved = write_csv(tmp_path / "other" / "My data_1.csv", *content)
    run = parse_run(RUN | {"dataset": first})
    digest = sha256(Path(first).read_bytes())
    assert run.file_sha256 == digest and run.run_id.startswith(f"dataset~My-data-1-{digest[:8]}_method~dlgn_")
    assert parse_run(RUN | {"dataset": moved}).run_id == run.run_id
    write_csv(tmp_path / "My data_1.csv", *content, "3,1")
    changed = parse_run(RUN | {"dataset": first})
    assert changed.hash != run.hash and changed.labels["dataset"] != run.labels["dataset"]
    # A record's settings stay valid when the file has changed or gone; its data are refused.
    settings = run.model_dump()
    assert parse_run(settings) == run
    with pytest.raises(
        LgnError, match=f"has sha256 {changed.file_sha256}; expected {digest}, the run's file_sha256"
    ):
        read_data(run, tmp_path)
    Path(first).unlink()
    assert parse_run(settings) == run
    with pytest.raises(LgnError, match="cannot be read .*allowed: a .npz or .csv file that is there"):
        read_data(run, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"width": 101},
            "here: width: 101 does not divide into the 2 classes of {monk}; allowed: multiples of 2",
        ),
        (
            {"thresholds": 3},
            "here: thresholds: 3 on {monk}, which has no column of numbers to encode; allowed: 1 to 1",
        ),
        (
            {"width": 6, "wiring": "unique"},
            "here: width: 6 with wiring unique on 15 inputs; allowed: 8 to 105",
        ),
        (
            {"dataset": "gone.csv"},
            "here: dataset: 'gone.csv' cannot be read (No such file or directory); allowed: a .npz",
        ),
        ({"dataset": "monk.txt"}, "here: dataset: 'monk.txt' is not allowed; allowed: 'digits', 'mnist', "),
        ({"file_sha256": "12"}, "here: file_sha256: '12' is not allowed"),
        (
            {"dataset": "digits", "file_sha256": "0" * 64},
            "here: file_sha256: is given with digits; allowed: with a .npz",
        ),
    ],
)
def test_what_does_not_fit_ones_data_is_refused_in_one_line(tmp_path, change, words):
    monk = monk1(tmp_path / "monk.npz")
    with pytest.raises(LgnError) as refused:
        parse_run(RUN | {"dataset": monk} | change, "here")
    assert str(refused.value).startswith(words.format(monk=monk)) and "\n" not in str(refused.value)


def test_a_table_of_two_classes_trains_and_is_measured_on_every_path(tmp_path):
    run = parse_run(RUN | {"dataset": monk1(tmp_path / "monk1.npz")})
    directory = tmp_path / run.run_id
    record = train(run, directory, tmp_path, Execution(backend="torch", device="cpu"))
    assert record["inputs"] == 15 and record["settings"]["file_sha256"] == run.file_sha256
    assert record["final"]["test_accuracy_soft"] > 0.75
    for recorded, now in evaluate_record(directory, tmp_path, Execution(backend="torch")).values():
        assert now == pytest.approx(recorded, abs=1e-9)
    trained = restore(directory, tmp_path)
    images, labels = trained.splits["test"]
    predicted = DiscreteNetwork(trained.network, trained.thresholds).predict(images)
    assert (predicted == labels).mean() == pytest.approx(record["final"]["test_accuracy_discrete"])
    gates = np.stack([logits.detach().argmax(-1).numpy() for logits in trained.network.logits])
    assert firing_shares(trained.network, gates, trained.thresholds, images, labels).shape == (3, 2, 100)
    assert read_run_json(directory / "run.json")["run_id"] == run.run_id
    assert chance(run.dataset) == 0.5
    results = tmp_path / "results"
    collect(tmp_path, results)
    assert read_tables(results).runs["file_sha256"].tolist() == [run.file_sha256]
    monk1(tmp_path / "monk1.npz", seed=1)
    with pytest.raises(LgnError, match="the run's file_sha256: the file has changed"):
        read_tables(results).runs  # noqa: B018


def test_a_preset_and_fetch_take_the_path_of_a_file(tmp_path, capsys):
    monk = monk1(tmp_path / "monk1.npz")
    base = {key: value for key, value in RUN.items() if key != "seed"} | {"dataset": monk}
    preset = {
        "preset": "own",
        "base": base,
        "seeds": [0],
        "sweeps": [{"vary": {"dataset": [monk, "digits"], "width": [100]}}],
    }
    design = Design(parse_preset(preset))
    label = f"monk1-{sha256(Path(monk).read_bytes())[:8]}"
    assert design.datasets == {label: monk, "digits": "digits"}
    assert set(design.labels["dataset"]) == set(design.datasets)
    run = design.runs[design.labels["hash"].iloc[0]]
    assert f"dataset={monk}" in design.arguments(run.hash)
    assert f"file_sha256={run.file_sha256}" in design.arguments(run.hash)
    assert main(["fetch", monk, "--report", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["classes"], report["train_images"], report["test_images"]) == (2, 144, 432)
    assert (report["numeric_columns"], report["other_columns"]) == (0, 6) and report[
        "file_sha256"
    ] == run.file_sha256
    assert "train_images 144" in capsys.readouterr().out
    assert main(["fetch", str(tmp_path / "gone.csv")]) == 2


def test_the_worked_example_of_the_docs_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script, commands = re.search(r"```python\n(.*?)```.*?```sh\n(.*?)```", DOCS.read_text(), re.S).groups()
    exec(script, {})
    for command in commands.replace("\\\n", " ").splitlines():
        words = command.partition("#")[0].split()
        assert words[0] == "lgn"
        extra = ["--backend", "torch"] if words[1] in ("train", "evaluate") else []
        assert main([re.sub("^iterations=.*", "iterations=100", word) for word in words[1:]] + extra) == 0
    assert "test_accuracy_discrete" in capsys.readouterr().out
