"""Where the data files lie, and how they get there: found in a data folder, or downloaded with a checksum."""

import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from lgn.datasets import DATASETS, DatasetInfo, Download
from lgn.errors import LgnError
from lgn.folders import expanded
from lgn.storage import one_at_a_time


def default_data_dir() -> Path:
    """The folder that LGN_DATA names; without it, `data` in the working directory. Raises LgnError as expanded()."""
    return Path(expanded(os.environ.get("LGN_DATA") or "data", "LGN_DATA"))


def dataset_info(dataset: str) -> DatasetInfo:
    """DATASETS[dataset]. Raises LgnError for an unknown name."""
    if dataset not in DATASETS:
        raise LgnError(f"dataset: {dataset!r} is unknown; allowed: {', '.join(DATASETS)}")
    return DATASETS[dataset]


def required_files(dataset: str, data_dir: Path) -> list[Path]:
    """The files that loading reads, in the order of DatasetInfo.files; where one is missing, the path `fetch` gives it.

    Empty for a data set that comes with a library (digits).
    """
    info = dataset_info(dataset)
    return [_locate(info, name, Path(data_dir)) for name in info.files]


def find_files(dataset: str, data_dir: Path) -> list[Path]:
    """required_files, all of them there. Raises LgnError that says what is missing and how to get it."""
    files = required_files(dataset, data_dir)
    missing = [path for path in files if not path.is_file()]
    if missing:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise LgnError(
            f"{dataset}: no file {missing[0]}{others}; get it with `lgn fetch {dataset} --data-dir {data_dir}`, "
            f"or put the official files in {missing[0].parent} (data folder: data_dir, --data-dir or LGN_DATA)"
        )
    return files


def fetch(dataset: str, data_dir: Path) -> list[Path]:
    """Downloads what is missing of a data set and returns find_files; does nothing where all files are there.

    Files appear under their final names only when complete and checked; of several processes one downloads and the
    others wait. Raises LgnError where no host gave them.
    """
    data_dir = Path(data_dir)
    if _is_complete(dataset, data_dir):
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
    if info.layout == "idx":
        for name, download in zip(info.files, info.downloads, strict=True):
            if not _locate(info, name, data_dir).is_file():
                _retrieve(dataset, download, data_dir / info.folder)
        return
    for download in info.downloads:
        archive = _retrieve(dataset, download, data_dir)
        _unpack(archive, info, data_dir)
        archive.unlink()


def _locate(info: DatasetInfo, name: str, data_dir: Path) -> Path:
    """Where a file is; else where `fetch` would put it."""
    folder = data_dir / info.folder
    if info.layout != "idx":
        return folder / name
    candidates = [place / file for place in (folder, data_dir) for file in (name, f"{name}.gz")]
    return next((path for path in candidates if path.is_file()), folder / f"{name}.gz")


def _retrieve(dataset: str, download: Download, folder: Path) -> Path:
    """The downloaded file, its checksum verified, from the first host that gives it."""
    import pooch  # slow to import, and not needed where files are there

    folder.mkdir(parents=True, exist_ok=True)
    reasons = []
    for host in download.hosts:
        downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
        try:
            path = pooch.retrieve(
                host + download.name,
                f"sha256:{download.sha256}",
                fname=download.name,
                path=folder,
                downloader=downloader,
            )
            return Path(path)
        except (OSError, ValueError) as error:  # no network, an HTTP error, or another file than expected
            reasons.append(f"{host}: {_reason(error)}")
    raise LgnError(
        f"{dataset}: {download.name} could not be downloaded to {folder} ({'; '.join(reasons)}); "
        f"get it by other means, check sha256 {download.sha256}, and put its files in {_home(dataset, folder)}"
    )


def _reason(error: Exception) -> str:
    """A checksum error in its own words; a network error, whose text runs over many lines, by its kind."""
    text = str(error).splitlines()[0] if isinstance(error, ValueError) else ""
    return text[:150] or type(error).__name__


def _home(dataset: str, folder: Path) -> Path:
    info = DATASETS[dataset]
    return folder if info.layout == "idx" else folder / info.folder


def _unpack(archive: Path, info: DatasetInfo, data_dir: Path) -> None:
    """Takes the expected files, by name and as regular files only, out of a tar archive into data_dir / folder."""
    folder = data_dir / info.folder
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".unpack-") as temporary:
        try:
            with tarfile.open(archive, "r:gz") as tar:
                for name in info.files:
                    member = tar.getmember(f"{info.folder}/{name}")
                    if not member.isreg():
                        raise LgnError(f"{archive}: {member.name} is not a regular file; expected one")
                    with tar.extractfile(member) as source, open(Path(temporary, name), "wb") as target:
                        shutil.copyfileobj(source, target)
        except (KeyError, tarfile.TarError, EOFError, zlib.error) as error:
            raise LgnError(f"{archive}: {error}; expected an archive of {', '.join(info.files)}") from None
        folder.mkdir(exist_ok=True)
        for name in info.files:
            os.replace(Path(temporary) / name, folder / name)
