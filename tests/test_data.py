"""Readers, splits, search and download of data files, on hand-made files; real data sets where the machine has them."""

import gzip
import hashlib
import http.server
import io
import os
import struct
import tarfile
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lgn.data import Split, default_data_dir, fetch, find_files, hold_out, load, required_files
from lgn.data.catalog import DATASETS, IDX_FILES, Download
from lgn.data.formats import read_cifar, read_idx
from lgn.errors import LgnError

# ---- hand-made files


def idx(array: np.ndarray) -> bytes:
    """The IDX bytes of a uint8 array, written with struct from the format's description."""
    return (
        struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


def random_bytes(*shape: int, below: int = 256, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, below, shape, dtype=np.uint8)


@pytest.fixture
def small_datasets(monkeypatch):
    """The real data sets' layouts with 50 training and 20 test images, not known by their contents."""
    for name, info in list(DATASETS.items()):
        if info.files:
            monkeypatch.setitem(DATASETS, name, replace(info, train_images=50, test_images=20, identity=""))


def write_idx_dataset(folder: Path, suffix: str = "") -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = (
        random_bytes(50, 28, 28),
        random_bytes(50, below=10, seed=1),
        random_bytes(20, 28, 28, seed=2),
        random_bytes(20, below=10, seed=3),
    )
    for name, array in zip(IDX_FILES, arrays, strict=True):
        content = idx(array)
        (folder / (name + suffix)).write_bytes(gzip.compress(content) if suffix else content)
    return dict(zip(IDX_FILES, arrays, strict=True))


def cifar_files(dataset: str) -> dict[str, np.ndarray]:
    """File name -> records (n, labels + 3072) uint8 with 50 training and 20 test images."""
    if dataset == "cifar10":
        names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
        sizes, label_classes = [10] * 5 + [20], (10,)
    else:
        names, sizes, label_classes = ["train.bin", "test.bin"], [50, 20], (20, 100)
    files = {}
    for seed, (name, size) in enumerate(zip(names, sizes, strict=True)):
        labels = [random_bytes(size, 1, below=classes, seed=seed + classes) for classes in label_classes]
        files[name] = np.hstack([*labels, random_bytes(size, 3072, seed=seed)])
    return files


def write_cifar_dataset(data_dir: Path, dataset: str) -> dict[str, np.ndarray]:
    folder = data_dir / DATASETS[dataset].folder
    folder.mkdir(parents=True)
    files = cifar_files(dataset)
    for name, records in files.items():
        (folder / name).write_bytes(records.tobytes())
    return files


def images_of(splits: list[Split]) -> set[tuple[int, bytes]]:
    return {(int(label), image.tobytes()) for split in splits for image, label in zip(*split, strict=True)}


# ---- readers


def test_idx_by_hand(tmp_path):
    # Two 2 x 3 images, bytes as in the format's description: 0, 0, type 8, 3 dimensions, their sizes, data.
    path = tmp_path / "images"
    path.write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, *range(12)]))
    expected = [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert read_idx(path, (2, 2, 3)).tolist() == expected
    (tmp_path / "images.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_idx(tmp_path / "images.gz", (2, 2, 3)).tolist() == expected


GOOD_IDX = idx(np.arange(12).reshape(2, 2, 3))
BROKEN_IDX = {
    "magic": (b"\0\0\x08\x01" + GOOD_IDX[4:], "has magic number 0x00000801; expected 0x00000803"),
    "not idx": (b"<!DOCTYPE html><html>", "has magic number 0x3c21444f; expected 0x00000803"),
    "shape": (idx(np.arange(12).reshape(3, 2, 2)), "holds 3 x 2 x 2 values; expected 2 x 2 x 3"),
    "header": (GOOD_IDX[:9], "is truncated, holds 9 bytes; expected a header of 16"),
    "empty": (b"", "is truncated, holds 0 bytes; expected a header of 16"),
    "truncated": (GOOD_IDX[:-1], "is truncated, holds 27 bytes; expected 28"),
    "extra": (GOOD_IDX + b"\0", "goes on after its 28 bytes; expected exactly those"),
}


@pytest.mark.parametrize("case", BROKEN_IDX)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_broken_idx_files_are_refused_in_one_line(tmp_path, case, suffix):
    content, message = BROKEN_IDX[case]
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(LgnError) as error:
        read_idx(path, (2, 2, 3))
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    "content",
    [gzip.compress(GOOD_IDX)[:-9], gzip.compress(GOOD_IDX)[:10] + b"\xff" * 30],
    ids=["cut", "garbled"],
)
def test_broken_gzip_files_are_refused(tmp_path, content):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(LgnError, match="images.gz: cannot be read .*; expected 28 bytes of data$"):
        read_idx(path, (2, 2, 3))


def test_a_gzip_bomb_is_not_inflated(tmp_path):
    path = tmp_path / "images.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(GOOD_IDX)
        for _ in range(64):
            stream.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(LgnError, match="goes on after its 28 bytes"):
        read_idx(path, (2, 2, 3))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_cifar_records_by_hand(tmp_path):
    # CIFAR-10: one label byte; CIFAR-100: coarse, fine. Three pixels a record instead of 3,072.
    (tmp_path / "ten.bin").write_bytes(bytes([7, 1, 2, 3, 9, 4, 5, 6]))
    images, labels = read_cifar(tmp_path / "ten.bin", 2, (10,), pixels=3)
    assert images.tolist() == [[1, 2, 3], [4, 5, 6]] and labels.tolist() == [7, 9]
    (tmp_path / "hundred.bin").write_bytes(bytes([19, 99, 1, 2, 3, 0, 42, 4, 5, 6]))
    images, labels = read_cifar(tmp_path / "hundred.bin", 2, (20, 100), pixels=3)
    assert images.tolist() == [[1, 2, 3], [4, 5, 6]] and labels.tolist() == [99, 42]


@pytest.mark.parametrize(
    ("content", "label_classes", "message"),
    [
        ([7, 1, 2, 3, 9, 4, 5], (10,), "is truncated, holds 7 bytes; expected 8"),
        ([7, 1, 2, 3, 9, 4, 5, 6, 0], (10,), "goes on after its 8 bytes; expected exactly those"),
        ([7, 1, 2, 3, 10, 4, 5, 6], (10,), "label of image 1 is 10; expected 0 to 9"),
        ([20, 9, 1, 2, 3, 0, 9, 1, 2, 3], (20, 100), "label of image 0 is 20; expected 0 to 19"),
        ([0, 9, 1, 2, 3, 0, 100, 1, 2, 3], (20, 100), "label of image 1 is 100; expected 0 to 99"),
    ],
)
def test_broken_cifar_files_are_refused_in_one_line(tmp_path, content, label_classes, message):
    path = tmp_path / "batch.bin"
    path.write_bytes(bytes(content))
    with pytest.raises(LgnError) as error:
        read_cifar(path, 2, label_classes, pixels=3)
    assert str(error.value) == f"{path}: {message}"


# ---- loading and splits


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("dataset", "folder"), [("mnist", "mnist"), ("mnist", "."), ("kmnist", "kmnist")])
def test_idx_files_are_found_raw_or_compressed_in_their_folder_or_the_data_folder(
    small_datasets, tmp_path, suffix, dataset, folder
):
    arrays = write_idx_dataset(tmp_path / folder, suffix)
    data = load(dataset, 0.0, tmp_path)
    np.testing.assert_array_equal(data.test.images, arrays["t10k-images-idx3-ubyte"].reshape(20, 784))
    np.testing.assert_array_equal(data.test.labels, arrays["t10k-labels-idx1-ubyte"])
    images, labels = arrays["train-images-idx3-ubyte"], arrays["train-labels-idx1-ubyte"]
    assert images_of([data.train]) == {(int(y), x.tobytes()) for x, y in zip(images, labels, strict=True)}
    assert data.validation.images.shape == (0, 784) and data.validation.labels.shape == (0,)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_cifar_files_are_loaded_whole_with_the_fine_label(small_datasets, tmp_path, dataset):
    files = write_cifar_dataset(tmp_path, dataset)
    data = load(dataset, 0.2, tmp_path)
    *train, test = (
        [(int(record[-3073]), record[-3072:].tobytes()) for record in records] for records in files.values()
    )
    assert [(int(y), x.tobytes()) for x, y in zip(*data.test, strict=True)] == test
    assert images_of([data.train, data.validation]) == {record for part in train for record in part}
    for split in (data.train, data.validation, data.test):
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int64


def test_labels_out_of_range_are_refused(small_datasets, tmp_path):
    write_idx_dataset(tmp_path)
    labels = np.zeros(50)
    labels[3] = 10
    (tmp_path / IDX_FILES[1]).write_bytes(idx(labels))
    with pytest.raises(LgnError, match="train-labels-idx1-ubyte: label of image 3 is 10; expected 0 to 9$"):
        load("mnist", 0.1, tmp_path)


def test_digits_are_scikit_learns_with_36_test_images_a_class():
    from sklearn.datasets import load_digits

    data = load("digits", 0.1, Path("no such folder"))
    assert (len(data.train.labels), len(data.validation.labels), len(data.test.labels)) == (1294, 143, 360)
    assert np.bincount(data.test.labels).tolist() == [36] * 10
    images, labels = load_digits(return_X_y=True)
    splits = (data.train, data.validation, data.test)
    together = np.concatenate([np.column_stack((split.labels, split.images)) for split in splits])
    original = np.column_stack((labels, images)).astype(int)
    assert sorted(map(tuple, together)) == sorted(map(tuple, original))


def test_digits_without_scikit_learn_say_so(monkeypatch):
    monkeypatch.setattr("lgn.data.find_spec", lambda name: None)
    with pytest.raises(LgnError, match="^digits: come with scikit-learn, which is not installed"):
        load("digits", 0.1, Path("."))


def test_the_fixed_digits_split_has_not_moved():
    # Published with the records as data_sha256: a change of it is a change of the data set.
    data = load("digits", 0.1, Path("."))
    assert data.sha256.startswith("2e97bbc6")
    assert load("digits", 0.2, Path(".")).sha256 != data.sha256


def test_the_test_split_does_not_depend_on_the_validation_share():
    with_validation, without = load("digits", 0.3, Path(".")), load("digits", 0.0, Path("."))
    np.testing.assert_array_equal(with_validation.test.images, without.test.images)
    assert images_of([with_validation.train, with_validation.validation]) == images_of([without.train])


def test_hold_out_takes_so_many_of_each_class_and_loses_none():
    labels = np.array([0] * 10 + [1] * 20 + [2] * 5)
    split = Split(np.arange(35, dtype=np.uint8)[:, None], labels)
    kept, held = hold_out(split, np.array([1, 7, 0]))
    assert np.bincount(held.labels, minlength=3).tolist() == [1, 7, 0]
    assert sorted([*kept.images[:, 0], *held.images[:, 0]]) == list(range(35))
    for part in (kept, held):
        np.testing.assert_array_equal(labels[part.images[:, 0]], part.labels)


def test_the_fingerprint_tells_one_changed_pixel(small_datasets, tmp_path):
    write_idx_dataset(tmp_path)
    before = load("mnist", 0.1, tmp_path).sha256
    content = bytearray((tmp_path / IDX_FILES[2]).read_bytes())
    content[-1] ^= 1
    (tmp_path / IDX_FILES[2]).write_bytes(content)
    assert load("mnist", 0.1, tmp_path).sha256 != before


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_an_impossible_validation_share_is_refused(share):
    with pytest.raises(LgnError, match="^validation_share: .* is not allowed; allowed: 0 to below 1$"):
        load("digits", share, Path("."))


def test_an_unknown_data_set_is_refused():
    with pytest.raises(LgnError, match="^dataset: 'cifar11' is unknown; allowed: digits, mnist, "):
        load("cifar11", 0.1, Path("."))


# ---- finding files


def test_missing_files_are_named_with_the_way_to_get_them(tmp_path):
    with pytest.raises(LgnError) as error:
        load("cifar10", 0.1, tmp_path)
    message = str(error.value)
    first = tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin"
    assert message.startswith(
        f"cifar10: no file {first} (and 5 more); get it with `lgn fetch cifar10 --data-dir {tmp_path}`"
    )
    assert "\n" not in message


def test_required_files_are_those_found_else_those_fetch_would_make(tmp_path):
    assert required_files("digits", tmp_path) == []
    assert required_files("mnist", tmp_path) == [tmp_path / "mnist" / f"{name}.gz" for name in IDX_FILES]
    (tmp_path / IDX_FILES[0]).touch()
    assert required_files("mnist", tmp_path)[0] == tmp_path / IDX_FILES[0]
    with pytest.raises(LgnError, match=r"train-labels-idx1-ubyte.gz \(and 2 more\)"):
        find_files("mnist", tmp_path)
    assert required_files("cifar100", tmp_path) == [
        tmp_path / "cifar-100-binary" / n for n in ("train.bin", "test.bin")
    ]


def test_the_data_folder_is_lgn_data_or_data(monkeypatch):
    monkeypatch.setenv("LGN_DATA", "elsewhere/data")
    assert default_data_dir() == Path("elsewhere/data")
    monkeypatch.delenv("LGN_DATA")
    assert default_data_dir() == Path("data")


# ---- fetching, from a server on this machine


@pytest.fixture
def server(tmp_path):
    """(folder served, its URL, paths asked for)."""
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{httpd.server_port}/", asked
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def cifar10_offered(small_datasets, server, monkeypatch):
    """Offers an archive of the given members as the official one of CIFAR-10."""
    folder, url, _ = server

    def offer(members: list[tuple[tarfile.TarInfo, bytes]], sha256: str | None = None) -> None:
        archive = folder / "cifar-10-binary.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for member, content in members:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        digest = sha256 or hashlib.sha256(archive.read_bytes()).hexdigest()
        info = replace(DATASETS["cifar10"], downloads=(Download(archive.name, (url,), digest),))
        monkeypatch.setitem(DATASETS, "cifar10", info)

    return offer


def members(prefix: str = "cifar-10-batches-bin/") -> list[tuple[tarfile.TarInfo, bytes]]:
    return [
        (tarfile.TarInfo(prefix + name), records.tobytes())
        for name, records in cifar_files("cifar10").items()
    ]


def test_fetch_unpacks_the_expected_files_and_nothing_else(cifar10_offered, server, tmp_path):
    data_dir = tmp_path / "data"
    cifar10_offered([(tarfile.TarInfo("../escaped"), b"x"), (tarfile.TarInfo("other.bin"), b"x"), *members()])
    files = fetch("cifar10", data_dir)
    assert [path.name for path in files] == list(cifar_files("cifar10"))
    assert sorted(os.listdir(data_dir)) == ["cifar-10-batches-bin"]
    assert not (tmp_path / "escaped").exists()
    assert len(load("cifar10", 0.1, data_dir).test.labels) == 20
    asked = len(server[2])
    assert fetch("cifar10", data_dir) == files
    assert len(server[2]) == asked == 1


def test_of_several_that_fetch_at_once_one_downloads(cifar10_offered, server, tmp_path):
    cifar10_offered(members())
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: fetch("cifar10", tmp_path / "data"), range(4)))
    assert found == [found[0]] * 4 and len(server[2]) == 1


def test_fetch_completes_a_folder_that_lacks_a_file(cifar10_offered, tmp_path):
    cifar10_offered(members())
    write_cifar_dataset(tmp_path, "cifar10")
    (tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin").unlink()
    fetch("cifar10", tmp_path)
    assert len(load("cifar10", 0.0, tmp_path).train.labels) == 50


def test_fetch_refuses_a_link_in_the_place_of_a_file(cifar10_offered, tmp_path):
    link = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    cifar10_offered([(link, b""), *members()[1:]])
    with pytest.raises(LgnError, match="data_batch_1.bin is not a regular file; expected one$"):
        fetch("cifar10", tmp_path / "data")
    assert not (tmp_path / "data" / "cifar-10-batches-bin").exists()


def test_fetch_refuses_an_archive_without_the_files(cifar10_offered, tmp_path):
    cifar10_offered(members(prefix="elsewhere/"))
    with pytest.raises(LgnError, match="data_batch_1.bin.*; expected an archive of data_batch_1.bin, "):
        fetch("cifar10", tmp_path / "data")
    assert not (tmp_path / "data" / "cifar-10-batches-bin").exists()


def test_fetch_refuses_a_download_with_another_checksum(cifar10_offered, tmp_path):
    cifar10_offered(members(), sha256="0" * 64)
    with pytest.raises(LgnError) as error:
        fetch("cifar10", tmp_path / "data")
    assert "does not match the known hash" in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path / "data") == []


def test_fetch_tries_the_next_host_and_keeps_idx_files_compressed(
    small_datasets, server, monkeypatch, tmp_path
):
    folder, url, asked = server
    write_idx_dataset(folder, ".gz")
    downloads = tuple(
        Download(
            f"{name}.gz",
            (f"{url}gone/", url),
            hashlib.sha256((folder / f"{name}.gz").read_bytes()).hexdigest(),
        )
        for name in IDX_FILES
    )
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], downloads=downloads))
    assert fetch("mnist", tmp_path) == [tmp_path / "mnist" / f"{name}.gz" for name in IDX_FILES]
    assert len(load("mnist", 0.1, tmp_path).test.labels) == 20
    assert f"/gone/{IDX_FILES[0]}.gz" in asked


def test_fetch_without_network_is_one_line_with_the_way_out(small_datasets, monkeypatch, tmp_path):
    nowhere = Download("cifar-10-binary.tar.gz", ("http://127.0.0.1:9/",), "a" * 64)
    monkeypatch.setitem(DATASETS, "cifar10", replace(DATASETS["cifar10"], downloads=(nowhere,)))
    with pytest.raises(LgnError) as error:
        fetch("cifar10", tmp_path)
    message = str(error.value)
    assert message.startswith(
        f"cifar10: cifar-10-binary.tar.gz could not be downloaded to {tmp_path} (http://127.0.0.1:9/"
    )
    assert message.endswith(f"put its files in {tmp_path / 'cifar-10-batches-bin'}") and "\n" not in message


def test_fetch_of_an_embedded_data_set_has_nothing_to_do(tmp_path):
    assert fetch("digits", tmp_path / "data") == []
    assert not (tmp_path / "data").exists()


# ---- real data


def test_fashion_mnist_as_packaged_by_debian(fashion_mnist_dir):
    data = load("fashion_mnist", 0.1, fashion_mnist_dir)
    assert (len(data.train.labels), len(data.validation.labels), len(data.test.labels)) == (
        54_000,
        6_000,
        10_000,
    )
    # The publisher's description: 6,000 training and 1,000 test images a class, so 600 of each held out.
    assert np.bincount(data.validation.labels).tolist() == [600] * 10
    assert np.bincount(data.test.labels).tolist() == [1_000] * 10
    assert data.test.labels[:5].tolist() == [9, 2, 1, 1, 6]


def test_fashion_mnist_is_not_taken_for_mnist(fashion_mnist_dir):
    with pytest.raises(
        LgnError, match="hold the images and labels of fashion_mnist; expected those published as mnist"
    ):
        load("mnist", 0.1, fashion_mnist_dir)


@pytest.mark.parametrize(("dataset", "classes"), [("cifar10", 10), ("cifar100", 100)])
def test_cifar_in_the_official_layout(cifar_dir, dataset, classes):
    data = load(dataset, 0.1, cifar_dir)
    assert (len(data.train.labels), len(data.validation.labels), len(data.test.labels)) == (
        45_000,
        5_000,
        10_000,
    )
    # The publisher's description: 5,000 (500) training and 1,000 (100) test images a class.
    assert np.bincount(data.validation.labels).tolist() == [5_000 // classes] * classes
    assert np.bincount(data.test.labels).tolist() == [10_000 // classes] * classes
    # CIFAR-10's channel means are widely published as 0.4914, 0.4822, 0.4465, CIFAR-100's as 0.5071, 0.4865, 0.4409.
    together = np.concatenate((data.train.images, data.validation.images)).reshape(-1, 3, 1024)
    means = [float(together[:, channel].mean()) / 255 for channel in range(3)]
    published = {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4865, 0.4409)}[dataset]
    np.testing.assert_allclose(means, published, atol=1e-4)
