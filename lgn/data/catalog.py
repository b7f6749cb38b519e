"""What is known about each data set before reading a file: shape, classes, files and their sources."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Download:
    """A published file: its name, the URLs of folders that have it (in order), its sha256."""

    name: str
    hosts: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class DatasetInfo:
    """One data set. Images are (channels, rows, columns) of integers in 0..max_value.

    layout: format of its files (see formats.py). folder: their folder below the data folder. files: their names,
    training files first. also: other folders that may hold them. pickled: paths of the same files in CIFAR's Python
    version. label_classes: number of classes of each label in a record; the last label is used. identity:
    splits.identity_of its training and test images, if known.

    In a table, rows of values take the place of images. bits: for each of its `columns` the number of inputs that it
    becomes; None: one per threshold.
    """

    classes: int
    channels: int
    rows: int
    columns: int
    max_value: int
    train_images: int
    test_images: int
    layout: Literal["embedded", "idx", "cifar", "own"] = "embedded"
    folder: str = ""
    files: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()
    label_classes: tuple[int, ...] = ()
    also: tuple[str, ...] = ()
    pickled: tuple[str, ...] = ()
    identity: str = ""
    bits: tuple[int | None, ...] = ()

    @property
    def pixels(self) -> int:
        """Channel values of an image, or columns of a table."""
        return self.channels * self.rows * self.columns

    @property
    def thermometers(self) -> bool:
        """Whether thresholds encode any of its values."""
        return not self.bits or None in self.bits

    def inputs(self, thresholds: int) -> int:
        """Number of bits that encode an image or a row of a table."""
        if not self.bits:
            return thresholds * self.pixels
        return sum(thresholds if count is None else count for count in self.bits)


IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

MNIST_HOSTS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

FASHION_MNIST_HOSTS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)

KMNIST_HOSTS = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)

CIFAR_HOSTS = ("https://www.cs.toronto.edu/~kriz/",)


def _mnist_like(folder: str, also: str, identity: str, hosts: tuple[str, ...], *sha256: str) -> DatasetInfo:
    """A data set with MNIST's shape and file names. sha256: of its compressed files, in the order of IDX_FILES."""
    return DatasetInfo(
        classes=10,
        channels=1,
        rows=28,
        columns=28,
        max_value=255,
        train_images=60_000,
        test_images=10_000,
        layout="idx",
        folder=folder,
        files=IDX_FILES,
        downloads=tuple(
            Download(f"{name}.gz", hosts, digest) for name, digest in zip(IDX_FILES, sha256, strict=True)
        ),
        label_classes=(10,),
        also=(also,),
        identity=identity,
    )


def _cifar(
    binary: str,
    python: str,
    parts: tuple[str, ...],
    label_classes: tuple[int, ...],
    sha256: str,
    identity: str,
) -> DatasetInfo:
    """binary, python: folders of the two versions. parts: file names without their ending."""
    archive = f"cifar-{label_classes[-1]}-binary.tar.gz"
    return DatasetInfo(
        classes=label_classes[-1], channels=3, rows=32, columns=32, max_value=255, train_images=50_000,
        test_images=10_000, layout="cifar", folder=binary, files=tuple(f"{part}.bin" for part in parts),
        downloads=(Download(archive, CIFAR_HOSTS, sha256),), label_classes=label_classes,
        pickled=tuple(f"{python}/{part}" for part in parts), identity=identity,
    )  # fmt: skip


DATASETS = {
    "digits": DatasetInfo(
        classes=10, channels=1, rows=8, columns=8, max_value=16, train_images=1437, test_images=360
    ),
    "mnist": _mnist_like(
        "mnist",
        "MNIST/raw",
        "f771933d03a86cc5f6899b91d168d95717c342a985562a4a2b5d8d2517a4cb24",
        MNIST_HOSTS,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "fashion_mnist": _mnist_like(
        "fashion_mnist",
        "FashionMNIST/raw",
        "4de292442a22996b5d72c79883ebd803d1eb19709f86b3eb7c24b5f4c7be93a1",
        FASHION_MNIST_HOSTS,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    "kmnist": _mnist_like(
        "kmnist",
        "KMNIST/raw",
        "",
        KMNIST_HOSTS,
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
    "cifar10": _cifar(
        "cifar-10-batches-bin",
        "cifar-10-batches-py",
        (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"),
        (10,),
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        "eea29bdffe69101d3f60985964b025d4f8ac63a354eca1d22d84c8e670463cbf",
    ),
    "cifar100": _cifar(
        "cifar-100-binary",
        "cifar-100-python",
        ("train", "test"),
        (20, 100),
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        "3dc1267a029e1c9771d71632aeab48e3d52c77d25c5368d2e3134544d0051da2",
    ),
}
