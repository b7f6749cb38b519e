"""Known data sets as people have them: recognised by their contents, in other layouts, beside files of theirs."""

import contextlib
import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from test_data import (
    cifar_files,
    idx,
    members,
    random_bytes,
    small_datasets,
    write_cifar_dataset,
    write_idx_dataset,
)

from lgn import data
from lgn.cli import main
from lgn.data import fetch, load
from lgn.data.catalog import DATASETS, IDX_FILES, Download
from lgn.data.splits import Split, identity_of
from lgn.errors import LgnError

__all__ = ["small_datasets"]


def publish(monkeypatch, name: str, train: tuple, test: tuple) -> None:
    """Makes images and labels those that a name is known by."""
    identity = identity_of(*(Split(x.reshape(len(x), -1), y) for x, y in (train, test)))
    monkeypatch.setitem(DATASETS, name, replace(DATASETS[name], identity=identity))


@pytest.fixture
def published(small_datasets, monkeypatch, tmp_path):
    """A folder `files` of made-up IDX files, published as fashion_mnist; mnist is another, inverted."""
    images, labels, test_images, test_labels = write_idx_dataset(tmp_path / "files").values()
    publish(monkeypatch, "fashion_mnist", (images, labels), (test_images, test_labels))
    publish(monkeypatch, "mnist", (255 - images, labels), (255 - test_images, test_labels))
    return tmp_path / "files"


# ---- what lies there under a name


def test_files_of_another_set_are_refused_by_its_name(published, capsys):
    for command in (lambda: load("mnist", 0.1, published), lambda: load("kmnist", 0.0, published)):
        with pytest.raises(
            LgnError, match="hold the images and labels of fashion_mnist; expected those published as"
        ):
            command()
    assert main(["fetch", "mnist", "--data-dir", str(published)]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("lgn: mnist: the files in ") and complaint.count("\n") == 1
    assert "data of your own go by the path" in complaint
    assert main(["fetch", "fashion_mnist", "--data-dir", str(published)]) == 0


@pytest.mark.parametrize(
    ("place", "change"),
    [(0, 16), (0, -1), (1, 8), (2, -1), (3, -1)],
    ids=["first", "last", "label", "test", "test label"],
)
def test_one_changed_byte_is_other_data(published, place, change):
    path = published / IDX_FILES[place]
    content = bytearray(path.read_bytes())
    content[change] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        LgnError, match="hold other images or labels; expected those published as fashion_mnist"
    ):
        load("fashion_mnist", 0.1, published)


def test_a_changed_cifar_file_is_other_data(small_datasets, monkeypatch, tmp_path):
    *train, test = write_cifar_dataset(tmp_path, "cifar10").values()
    whole = np.concatenate(train)
    publish(monkeypatch, "cifar10", (whole[:, 1:], whole[:, 0]), (test[:, 1:], test[:, 0]))
    load("cifar10", 0.1, tmp_path)
    train[0][0, 7] ^= 1
    (tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin").write_bytes(train[0].tobytes())
    with pytest.raises(LgnError, match="^cifar10: the files in .* hold other images or labels"):
        load("cifar10", 0.1, tmp_path)


def test_the_identity_is_that_of_the_images_in_any_order_within_their_split():
    images, labels = random_bytes(20, 6), random_bytes(20, below=3)
    train, test = Split(images[:12], labels[:12]), Split(images[12:], labels[12:])
    assert identity_of(Split(images[11::-1], labels[11::-1]), test) == identity_of(train, test)
    assert identity_of(test, train) != identity_of(train, test)
    assert identity_of(Split(images[:12], labels[11::-1]), test) != identity_of(train, test)


def test_a_process_recognises_the_same_files_once(published, monkeypatch):
    asked = []
    monkeypatch.setattr(data, "identity_of", lambda *splits: asked.append(1) or identity_of(*splits))
    for _ in range(3):
        load("fashion_mnist", 0.1, published)
    assert asked == [1]
    os.utime(published / IDX_FILES[0], ns=(1, 1))
    load("fashion_mnist", 0.1, published)
    assert asked == [1, 1]


def test_every_set_with_a_published_copy_at_hand_is_known_by_its_contents():
    assert [name for name, info in DATASETS.items() if info.files and not info.identity] == ["kmnist"]


# ---- files that somebody put there


@pytest.fixture
def archive(small_datasets, monkeypatch, tmp_path):
    """CIFAR-10's archive, put into a data folder by hand; nothing can be downloaded."""
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members():
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    download = Download(path.name, ("http://127.0.0.1:9/",), hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(DATASETS, "cifar10", replace(DATASETS["cifar10"], downloads=(download,)))
    return path


def test_an_archive_put_there_by_hand_is_unpacked_and_stays(archive):
    content = archive.read_bytes()
    fetch("cifar10", archive.parent)
    assert archive.read_bytes() == content
    assert sorted(os.listdir(archive.parent)) == ["cifar-10-batches-bin", archive.name]
    assert len(load("cifar10", 0.0, archive.parent).train.labels) == 50


def test_another_file_of_the_archives_name_is_refused_and_stays(archive):
    archive.write_bytes(b"mine")
    with pytest.raises(LgnError, match="cifar-10-binary.tar.gz: has sha256 .*; expected "):
        fetch("cifar10", archive.parent)
    assert archive.read_bytes() == b"mine" and os.listdir(archive.parent) == [archive.name]


def test_files_that_are_there_are_not_overwritten(archive):
    folder = archive.parent / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "data_batch_2.bin").write_bytes(b"mine")
    fetch("cifar10", archive.parent)
    assert (folder / "data_batch_2.bin").read_bytes() == b"mine"
    assert len(os.listdir(folder)) == len(cifar_files("cifar10"))


# ---- layouts


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("dataset", "pattern"),
    [
        ("mnist", "MNIST/raw/{}"),
        ("fashion_mnist", "FashionMNIST/raw/{}.gz"),
        ("kmnist", "KMNIST/raw/{}"),
        ("mnist", "mnist/{dotted}"),
        ("mnist", "{dotted}.gz"),
    ],
)
def test_idx_files_are_found_as_others_unpack_and_name_them(
    small_datasets, tmp_path, dataset, pattern, compress
):
    """Compressed without the ending, too, and the other way round."""
    arrays = write_idx_dataset(tmp_path / "source")
    for name, array in arrays.items():
        path = tmp_path / pattern.format(name, dotted=name.replace("-idx", ".idx"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(idx(array)) if compress else idx(array))
    loaded = load(dataset, 0.0, tmp_path)
    np.testing.assert_array_equal(loaded.test.labels, arrays[IDX_FILES[3]])


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, which CIFAR's pickles are full of."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def save_bytes(self, content):
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)

    dispatch[bytes] = save_bytes


def pickled(content: object, python2: bool) -> bytes:
    buffer = io.BytesIO()
    (Python2Pickler if python2 else pickle.Pickler)(buffer, protocol=2).dump(content)
    return buffer.getvalue()


@pytest.mark.parametrize("python2", [True, False])
@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_cifars_pickles_are_the_same_data(small_datasets, tmp_path, dataset, python2):
    files = write_cifar_dataset(tmp_path / "binary", dataset)
    names = (b"labels",) if dataset == "cifar10" else (b"coarse_labels", b"fine_labels")
    for path, records in zip(DATASETS[dataset].pickled, files.values(), strict=True):
        content = {b"data": records[:, len(names) :].copy(), b"filenames": [b"a.png"] * len(records)}
        content |= {name: records[:, place].tolist() for place, name in enumerate(names)}
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(pickled(content, python2))
    assert load(dataset, 0.2, tmp_path).sha256 == load(dataset, 0.2, tmp_path / "binary").sha256


class Evil:
    def __reduce__(self):
        return os.system, ("touch canary",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Evil(), "UnpicklingError: it names posix.system"),
        ({b"data": np.zeros((10, 3072), np.uint8), b"labels": [0] * 9 + [Evil()]}, "it names posix.system"),
        ([1, 2], "AttributeError"),
        ({b"data": np.zeros((9, 3072), np.uint8), b"labels": [0] * 10}, "ValueError: cannot reshape"),
        ({b"data": np.zeros((10, 3072), np.uint8), b"labels": [0] * 9}, "ValueError: cannot reshape"),
        ({b"data": np.zeros((10, 3072), np.uint8)}, "KeyError: 'labels'"),
    ],
)
def test_pickles_of_anything_else_run_nothing_and_are_refused(
    small_datasets, monkeypatch, tmp_path, content, words
):
    monkeypatch.chdir(tmp_path)
    write_cifar_dataset(tmp_path, "cifar10")
    path = tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin"
    path.write_bytes(pickled(content, python2=False))
    with pytest.raises(LgnError, match=words) as refused:
        load("cifar10", 0.0, tmp_path)
    assert str(refused.value).startswith(f"{path}: is no pickle of CIFAR (") and "\n" not in str(
        refused.value
    )
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("position", range(0, 600, 29))
def test_a_pickle_with_a_wrong_byte_is_read_or_refused(small_datasets, tmp_path, position):
    write_cifar_dataset(tmp_path, "cifar10")
    content = bytearray(pickled({b"data": np.zeros((10, 3072), np.uint8), b"labels": [0] * 10}, python2=True))
    # From both ends: the names of what is constructed, then, behind the pixels, the labels.
    content[position // 2 if position % 2 else -1 - position // 2] ^= 0x21
    (tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin").write_bytes(content)
    with contextlib.suppress(LgnError):
        load("cifar10", 0.0, tmp_path)


def test_missing_files_are_told_beside_what_lies_there(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").touch()
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for number in range(1, 12):
        (tmp_path / "cifar-10-batches-bin" / f"batch{number:02}").touch()
    with pytest.raises(LgnError) as missing:
        load("cifar10", 0.0, tmp_path)
    holds = str(missing.value).partition("LGN_DATA); ")[2]
    assert holds.startswith(
        f"{tmp_path} holds cifar-10-batches-bin, cifar-10-python.tar.gz; {tmp_path}/cifar-10"
    )
    assert holds.endswith("batch07, batch08, 3 more")
    with pytest.raises(LgnError, match=f"{tmp_path}/nowhere holds nothing$"):
        load("mnist", 0.0, tmp_path / "nowhere")
