"""Results that a repository keeps: tidy tables in few bytes, and all figures and tables drawn from them anew."""

import gc
import io
import lzma
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pandas as pd

from analysis.claims import make_claims
from analysis.collect import collect
from analysis.figures import available_figures, chosen_figures, write_figure
from analysis.gallery import galleries
from analysis.leaderboard.page import make_page
from analysis.published import write_published
from analysis.tables import write_tables
from analysis.tidy import PROBE, TABLES, Tables, read_tables
from lgn.errors import LgnError
from lgn.files import make_folder, write_bytes
from lgn.machine import usable_cores
from study.compared import Pair
from study.preset import Preset, read_preset

SUFFIX = ".csv.xz"


def keep(results: Path, output: Path, add: bool = False) -> list[Path]:
    """Writes <output>/<table>.csv.xz of the tidy and the probes' tables of a preset; returns the files.

    add: runs that are kept there already, of a preset that trained in parts, stay beside those of `results`, which
    replace their own rows. Raises LgnError where a table is missing, a file cannot be written, or runs that are kept
    there would be lost.
    """
    tables = read_tables(results)
    make_folder(output)
    if not add:
        _require_all_kept(output, set(tables.runs["run_id"]), results)
    paths = []
    for name in (*TABLES, *(f"{PROBE}{probe}" for probe in tables.probes)):
        paths.append(output / f"{name}{SUFFIX}")
        content = tables.path(name).read_bytes()
        if add and paths[-1].is_file():
            content = _added(lzma.decompress(paths[-1].read_bytes()), content)
        write_bytes(paths[-1], lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    return paths


def _require_all_kept(output: Path, run_ids: set[str], results: Path) -> None:
    if not (output / f"runs{SUFFIX}").is_file():
        return
    lost = sorted(set(Tables(output).runs["run_id"]) - run_ids)
    if lost:
        raise LgnError(
            f"{output}: keeps {len(lost)} runs that {results} does not have, such as {lost[0]}; allowed: --add, which "
            "leaves them there, or another folder"
        )


def _added(kept: bytes, new: bytes) -> bytes:
    """The rows of two CSV tables by run_id, cells as they are; of a run in both, the new ones."""
    old, fresh = (pd.read_csv(io.BytesIO(text), dtype=str, keep_default_na=False) for text in (kept, new))
    both = pd.concat([old[~old["run_id"].isin(fresh["run_id"])], fresh]).fillna("")
    return both.sort_values("run_id", kind="stable").to_csv(index=False, lineterminator="\n").encode()


@contextmanager
def tidy(results: Path) -> Iterator[Path]:
    """A folder of tidy tables: the one given, or a temporary one into which the records that it keeps are collected."""
    if any((results / f"history{suffix}").is_file() for suffix in (".csv", SUFFIX)):
        yield results
    else:
        with tempfile.TemporaryDirectory() as scratch:
            yield _collected(results, Path(scratch))


def draw_figures(
    results: Path, output: Path, processes: int, names: Sequence[str] | None = None
) -> list[Path]:
    """These figures, or every one that a folder of tidy tables has the runs for, as pdf and png; returns the files.

    Raises LgnError naming a figure that it does not have, or a table that is missing or cannot be read.
    """
    tables = read_tables(results)
    names = chosen_figures(names, tables.runs, tables.probes, str(results))
    if processes == 1:
        return [path for name in names for path in write_figure(name, tables, output)]
    with ProcessPoolExecutor(processes, initializer=gc.disable) as pool:
        tasks = [pool.submit(_write_figure, name, results, output) for name in names]
        return sorted(path for task in tasks for path in task.result())


def redraw(reference: Path, figures: Path, config: Path | None = None) -> list[Path]:
    """Figures and tables of every preset below `reference`, into <figures>/<preset>/; returns the files.

    A preset is a folder with tidy tables, or with records in runs/, which are collected first. Those that have a folder
    below `figures` are drawn, and of their figures those that are there; all that there can be where none is.
    config: a folder of presets. The one of a folder's name says what its tables compare and, where it states figures,
    which are drawn; a leaderboard's final runs have their page in place of tables. Published rows stand once, in
    <figures>. Nothing is trained, and nothing below `reference` changes. Raises LgnError where there is no such folder.
    """
    if not reference.is_dir():
        raise LgnError(f"{reference}: is no folder; allowed: one with a folder a kept preset")
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(usable_cores(), initializer=gc.disable) as pool,
    ):
        presets = {
            figures / folder.name: _collected(folder, Path(scratch) / folder.name)
            for folder in sorted(path for path in reference.iterdir() if _drawn(path, figures))
        }
        # The longest first, or they are waited for at the end.
        stated = {output: _preset(config, output.name) for output in presets}
        tasks = [pool.submit(write_published, list(presets.values()), figures)]
        for output, results in presets.items():
            preset = stated[output]
            if config and preset and preset.trials:
                tasks.append(pool.submit(_write_page, config, preset, reference, results, output))
            else:
                compare = preset.compare if preset else []
                tasks.append(pool.submit(_write_tables, results, output, compare))
        for output, results in presets.items():
            tables = read_tables(results)
            names = _wanted(stated[output], tables, output)
            tasks += [pool.submit(_write_figure, name, results, output) for name in names]
        paths = [path for task in tasks for path in task.result()]
        return sorted([*paths, *galleries(figures)])


def _drawn(folder: Path, figures: Path) -> bool:
    """Whether a folder holds what is drawn here: benchmarks are drawn elsewhere, and what `lgn verify` checks never."""
    return (figures / folder.name).is_dir() and (
        (folder / "runs").is_dir() or (folder / f"runs{SUFFIX}").is_file()
    )


def _wanted(preset: Preset | None, tables: Tables, folder: Path) -> list[str]:
    """The figures that the preset states; else those that are there already, or all where none is."""
    if preset and preset.figures is not None:
        return chosen_figures(preset.figures, tables.runs, tables.probes, preset.preset)
    available = available_figures(tables.runs, tables.probes)
    present = {path.stem for path in folder.glob("*.pdf")}
    return [name for name in available if not present or name in present]


def _collected(folder: Path, scratch: Path) -> Path:
    """A folder of tidy tables: the one given, or one made of its records and its probes' tables."""
    if not (folder / "runs").is_dir():
        return folder
    collect(folder / "runs", scratch)
    for path in folder.glob(f"{PROBE}*"):
        (scratch / path.name).write_bytes(path.read_bytes())
    return scratch


@lru_cache(maxsize=2)
def _tables(results: Path) -> Tables:
    """Read once by each process: a map's tables take longer to read than to draw."""
    return Tables(results)


def _preset(config: Path | None, name: str) -> Preset | None:
    """The preset of a name, where its file is there."""
    path = config and config / f"{name}.yaml"
    return read_preset(path) if path and path.is_file() else None


def _write_tables(results: Path, output: Path, compare: list[Pair]) -> list[Path]:
    tables = _tables(results)
    return write_tables(tables, make_claims(tables), output, compare)


def _write_page(config: Path, preset: Preset, reference: Path, results: Path, output: Path) -> list[Path]:
    """A leaderboard has a page in place of the claims' tables."""
    assert preset.trials is not None
    trials = read_preset(config / Path(preset.trials).name)
    return make_page(trials, reference / trials.preset, results, output)


def _write_figure(name: str, results: Path, output: Path) -> list[Path]:
    return write_figure(name, _tables(results), output)
