"""Finds data files in a data folder, or downloads them and verifies their checksums."""

import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from lgn.data.catalog import DATASETS, DatasetInfo, Download
from lgn.data.own import is_own, read_own
from lgn.errors import LgnError
from lgn.files import expanded, one_at_a_time, sha256

MOST_NAMES = 8
"""The most file names in a message."""


def default_data_dir() -> Path:
    """The folder that LGN_DATA names; without it, `data` in the working directory. Raises LgnError as expanded()."""
    return Path(expanded(os.environ.get("LGN_DATA") or "data", "LGN_DATA"))


def dataset_info(dataset: str) -> DatasetInfo:
    """A data set's DatasetInfo, from the catalog or from a user's own file. Raises LgnError for neither."""
    if is_own(dataset):
        return read_own(dataset).info
    if dataset not in DATASETS:
        allowed = f"{', '.join(DATASETS)}, or a file of your own, .npz or .csv"
        raise LgnError(f"dataset: {dataset!r} is unknown; allowed: {allowed}")
    return DATASETS[dataset]


def info_if_there(dataset: str, file_sha256: str | None) -> DatasetInfo | None:
    """dataset_info; None for a user's own file that is missing or has another sha256."""
    if not is_own(dataset):
        return dataset_info(dataset)
    try:
        return read_own(dataset, file_sha256).info
    except LgnError:
        return None


def required_files(dataset: str, data_dir: Path) -> list[Path]:
    """The files that loading reads, in the order of DatasetInfo.files. For a missing file: the path that `fetch` uses.

    Empty for a data set that comes with a library (digits).
    """
    if is_own(dataset):
        return [Path(dataset)]
    info = dataset_info(dataset)
    return [_locate(info, place, Path(data_dir)) for place in range(len(info.files))]


def find_files(dataset: str, data_dir: Path) -> list[Path]:
    """required_files, if all exist. Otherwise raises LgnError that says what is missing and how to get it."""
    files = required_files(dataset, data_dir)
    missing = [path for path in files if not path.is_file()]
    if missing and is_own(dataset):
        raise LgnError(
            f"{dataset}: is no file here; allowed: the path of a .npz or .csv file, or a data set's name"
        )
    if missing:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        folders = dict.fromkeys((Path(data_dir), missing[0].parent))
        raise LgnError(
            f"{dataset}: no file {missing[0]}{others}; get it with `lgn fetch {dataset} --data-dir {data_dir}`, "
            f"or put the official files in {missing[0].parent} (data folder: data_dir, --data-dir or LGN_DATA); "
            + "; ".join(
                _lying_in(folder) for folder in folders if folder.is_dir() or folder == Path(data_dir)
            )
        )
    return files


def _lying_in(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    shown = names[:MOST_NAMES] + ([f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else [])
    return f"{folder} holds {', '.join(shown) or 'nothing'}"


def fetch(dataset: str, data_dir: Path) -> list[Path]:
    """Downloads a data set's missing files and returns find_files; does nothing if no file is missing.

    A file gets its final name when it is complete and checked. Existing files stay as they are. The official archive
    is unpacked from the data folder if it is there. Of several processes one downloads, and the others wait. Raises
    LgnError if no host gives the files.
    """
    data_dir = Path(data_dir)
    if is_own(dataset) or _is_complete(dataset, data_dir):
        return find_files(dataset, data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(data_dir):
            if not _is_complete(dataset, data_dir):
                _download(dataset, data_dir)
    except OSError as error:
        raise LgnError(
            f"{dataset}: cannot be stored below {data_dir} ({error}); expected a writable folder"
        ) from None
    return find_files(dataset, data_dir)


def _is_complete(dataset: str, data_dir: Path) -> bool:
    return all(path.is_file() for path in required_files(dataset, data_dir))


def _download(dataset: str, data_dir: Path) -> None:
    info = dataset_info(dataset)
    folder = data_dir / info.folder
    # In a temporary folder, because a download overwrites a file of its name.
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".fetch-") as temporary:
        aside = Path(temporary)
        for place, download in enumerate(info.downloads):
            if info.layout != "idx":
                archive = _given(download, data_dir) or _retrieve(dataset, download, aside, data_dir)
                _unpack(archive, info, aside)
                for name in info.files:
                    _put(aside / name, folder / name)
            elif not _locate(info, place, data_dir).is_file():
                _put(_retrieve(dataset, download, aside, data_dir), folder / download.name)


def _put(source: Path, target: Path) -> None:
    """Moves a file to its place, unless a file is already there."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)


def _locate(info: DatasetInfo, place: int, data_dir: Path) -> Path:
    """The path of a file, or the path where `fetch` would put it."""
    name = info.files[place]
    # Some tools unpack train-images-idx3-ubyte.gz as train-images.idx3-ubyte.
    names = dict.fromkeys((name, name.replace("-idx", ".idx")))
    paths = [Path(folder, name) for folder in (info.folder, *info.also, "") for name in names]
    paths += [Path(path) for path in info.pickled[place : place + 1]]
    candidates = [data_dir / path.with_name(path.name + end) for path in paths for end in ("", ".gz")]
    official = data_dir / info.folder / (f"{name}.gz" if info.layout == "idx" else name)
    return next((path for path in candidates if path.is_file()), official)


def _given(download: Download, data_dir: Path) -> Path | None:
    """The official archive, if it is in the data folder. Raises LgnError if another file has its name."""
    path = data_dir / download.name
    if not path.exists():
        return None
    found = sha256(path.read_bytes())
    if found != download.sha256:
        raise LgnError(
            f"{path}: has sha256 {found}; expected {download.sha256}; put it elsewhere to download it"
        )
    return path


def _retrieve(dataset: str, download: Download, aside: Path, data_dir: Path) -> Path:
    """Downloads a file from the first host that gives it, and verifies its checksum."""
    import pooch  # slow to import, and needed only here

    reasons = []
    for host in download.hosts:
        downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
        try:
            path = pooch.retrieve(
                host + download.name,
                f"sha256:{download.sha256}",
                fname=download.name,
                path=aside,
                downloader=downloader,
            )
            return Path(path)
        except (OSError, ValueError) as error:  # no network, an HTTP error, or another file than expected
            reasons.append(f"{host}: {_reason(error)}")
    raise LgnError(
        f"{dataset}: {download.name} could not be downloaded to {data_dir} ({'; '.join(reasons)}); get it by other "
        f"means, check sha256 {download.sha256}, and put its files in {data_dir / DATASETS[dataset].folder}"
    )


def _reason(error: Exception) -> str:
    """The first line of a checksum error; the type of a network error, whose text has many lines."""
    text = str(error).splitlines()[0] if isinstance(error, ValueError) else ""
    return text[:150] or type(error).__name__


def _unpack(archive: Path, info: DatasetInfo, target: Path) -> None:
    """Extracts the expected files from a tar archive into a folder; only regular files of these names."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for name in info.files:
                member = tar.getmember(f"{info.folder}/{name}")
                if not member.isreg() or (source := tar.extractfile(member)) is None:
                    raise LgnError(f"{archive}: {member.name} is not a regular file; expected one")
                with source, open(target / name, "wb") as file:
                    shutil.copyfileobj(source, file)
    except (KeyError, tarfile.TarError, EOFError, zlib.error) as error:
        raise LgnError(f"{archive}: {error}; expected an archive of {', '.join(info.files)}") from None
