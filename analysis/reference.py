"""Results that a repository keeps: tidy tables in few bytes, and all figures and tables drawn from them anew."""

import lzma
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from analysis.claims import make_claims
from analysis.collect import collect
from analysis.figures import available_figures, write_figure
from analysis.tables import write_tables
from analysis.tidy import PROBE, TABLES, Tables, read_tables
from lgn.storage import make_folder, write_bytes

SUFFIX = ".csv.xz"


def keep(results: Path, output: Path) -> list[Path]:
    """Writes <output>/<table>.csv.xz of the tidy and the probes' tables of a preset; returns the files.

    Raises LgnError where a table is missing or a file cannot be written.
    """
    tables = read_tables(results)
    make_folder(output)
    paths = []
    for name in (*TABLES, *(f"{PROBE}{probe}" for probe in tables.probes)):
        paths.append(output / f"{name}{SUFFIX}")
        write_bytes(paths[-1], lzma.compress(tables.path(name).read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    return paths


def redraw(reference: Path, figures: Path) -> list[Path]:
    """Figures and tables of every preset below `reference`, into <figures>/<preset>/; returns the files.

    A preset is a folder with tidy tables, or with records in runs/, which are collected first. Nothing is trained, and
    nothing below `reference` changes.
    """
    with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor(os.cpu_count()) as pool:
        tasks = []
        for folder in sorted(path for path in reference.iterdir() if _drawn(path, figures)):
            results = _collected(folder, Path(scratch) / folder.name)
            tables = read_tables(results)
            tasks.append(pool.submit(_write_tables, results, figures / folder.name))
            tasks += [
                pool.submit(_write_figure, name, results, figures / folder.name)
                for name in available_figures(tables.runs, tables.probes)
            ]
        return sorted(path for task in tasks for path in task.result())


def _drawn(folder: Path, figures: Path) -> bool:
    """Whether a folder holds what is drawn here: benchmarks are drawn elsewhere, and what `lgn verify` checks never."""
    return (figures / folder.name).is_dir() and (
        (folder / "runs").is_dir() or (folder / f"runs{SUFFIX}").is_file()
    )


def _collected(folder: Path, scratch: Path) -> Path:
    """A folder of tidy tables: the one given, or one made of its records and its probes' tables."""
    if not (folder / "runs").is_dir():
        return folder
    collect(folder / "runs", scratch)
    for path in folder.glob(f"{PROBE}*"):
        (scratch / path.name).write_bytes(path.read_bytes())
    return scratch


def _write_tables(results: Path, output: Path) -> list[Path]:
    tables = Tables(results)
    return write_tables(tables, make_claims(tables), output)


def _write_figure(name: str, results: Path, output: Path) -> list[Path]:
    return write_figure(name, Tables(results), output)
