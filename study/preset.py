"""The typed model of a preset, and its expansion into runs."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from lgn.errors import LgnError
from lgn.files import expanded
from lgn.methods import spell_out_method
from lgn.run import Execution, Run, parse_run
from lgn.settings import parse_yaml, validated, whole
from study.compared import Pair, check_compared
from study.primary import check_primary, require_primary

ProbeName = Literal[
    "hessian", "lemma", "plane", "line", "noise", "layers", "class_gates", "use", "bypass", "cost"
]
"""The probes that a preset may ask for: measurements of weights, see probes."""


def whole_seeds(seeds: object) -> object:
    """Applies `whole` to each item of a list."""
    return [whole("seeds", value) for value in seeds] if isinstance(seeds, list) else seeds


class Sweep(BaseModel):
    """One ablation: `set` overrides the base run, `vary` gives the product of its lists.

    Either may use `method` in place of (noise, straight_through, temperature), see METHODS.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    set: dict[str, Any] = Field({}, description="settings of the base run that this sweep overrides")
    vary: dict[str, list[Any]] = Field(
        {}, description="keys of the run -> values; all combinations are trained"
    )
    seeds: list[int] | None = Field(None, min_length=1, description="this sweep's own seeds")
    probes: list[ProbeName] = Field([], description="measurements of these runs' weights after training")

    _whole = field_validator("seeds", mode="before")(whole_seeds)


class Preset(BaseModel):
    """A study: a base run, seeds and the sweeps over it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="names the folders below results/ and paper_figures/",
    )
    base: dict[str, Any] = Field(description="settings of every run, unless a sweep overrides them")
    seeds: list[int] = Field(min_length=1, description="seeds of every sweep without its own")
    sweeps: list[Sweep] = Field(
        min_length=1, description="the ablations; a run in two sweeps is trained once"
    )
    primary: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="GLGN's temperature in the claims; required if GLGN runs at several temperatures beside a DLGN",
    )
    compare: list[Pair] = Field(
        [],
        description="pairs of methods, {method: X, against: Y}: the table `compare` has their differences by seed",
    )
    figures: list[str] | None = Field(
        None, description="names of the figures that are drawn; null: every one that the runs allow"
    )
    trials: str | None = Field(
        None,
        description="preset file of the trials that chose these runs: they are a leaderboard's final runs",
    )
    execution: Execution = Field(Execution(), description="where and how runs execute")
    data_dir: str | None = Field(
        None, min_length=1, description="folder of the data files; null: LGN_DATA, or data"
    )
    results_dir: str = Field("results", min_length=1, description="folder of the run records")
    figures_dir: str = Field("paper_figures", min_length=1, description="folder of the figures and tables")

    _whole = field_validator("seeds", mode="before")(whole_seeds)

    @field_validator("trials", "data_dir", "results_dir", "figures_dir")
    def _expanded(cls, folder: str | None, field: ValidationInfo) -> str | None:
        return folder and expanded(folder, str(field.field_name))


def parse_preset(config: dict[str, Any], where: str = "config") -> Preset:
    """A validated Preset with valid runs. Raises LgnError as parse_run."""
    preset = validated(Preset, config, where)
    runs = expand(preset, where)
    check_primary(preset.primary, ((run.method, run.temperature) for run in runs), where)
    require_primary(preset.primary, runs, where)
    check_compared(preset.compare, runs, where)
    return preset


def read_mapping(path: Path | str) -> dict[Any, Any]:
    """The mapping in a YAML file. Raises LgnError, naming the file, if it is not a mapping or a key occurs twice."""
    try:
        config = parse_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LgnError(f"{path}: not a readable YAML file: {' '.join(str(error).split())}") from None
    except LgnError as error:
        raise LgnError(f"{path}: {error}") from None
    if not isinstance(config, dict):
        raise LgnError(f"{path}: holds {type(config).__name__}; allowed: a mapping of keys")
    return config


def read_preset(path: Path | str) -> Preset:
    """The preset in a YAML file. Raises LgnError if it cannot be read or is not valid."""
    return parse_preset(read_mapping(path), str(path))


def check_config_files(paths: Iterable[Path | str]) -> None:
    """Checks the files that Snakemake merges into one configuration; its own reader reports nothing.

    Raises LgnError as read_mapping, and if two files name a preset: the merged configuration would be neither.
    """
    named = [path for path in paths if "preset" in read_mapping(path)]
    if len(named) > 1:
        raise LgnError(f"{named[1]}: preset: is named by {named[0]} too; allowed: one preset a call")


def expand(preset: Preset, where: str = "config") -> list[Run]:
    """The runs of a preset, each once, ordered by sweep, then by seed."""
    for index, sweep in enumerate(preset.sweeps):
        for key in (key for key, values in sweep.vary.items() if not values):
            raise LgnError(f"{where}: sweeps[{index}]: vary: {key}: []; allowed: at least one value")
        for key in sweep.set.keys() & sweep.vary.keys():
            raise LgnError(f"{where}: sweeps[{index}]: {key}: stands in set and vary; allowed: in one")
    runs: dict[str, Run] = {}
    for index, sweep in enumerate(preset.sweeps):
        for run in _sweep_runs(preset, sweep, f"{where}: sweeps[{index}]"):
            runs.setdefault(run.hash, run)
    return list(runs.values())


def probed(preset: Preset) -> dict[ProbeName, list[Run]]:
    """probe -> runs of the sweeps that ask for it, each once."""
    runs: dict[ProbeName, dict[str, Run]] = {}
    for index, sweep in enumerate(preset.sweeps):
        for run in _sweep_runs(preset, sweep, f"sweeps[{index}]") if sweep.probes else []:
            for probe in sweep.probes:
                runs.setdefault(probe, {}).setdefault(run.hash, run)
    return {probe: list(several.values()) for probe, several in runs.items()}


def _sweep_runs(preset: Preset, sweep: Sweep, place: str) -> Iterator[Run]:
    for values in itertools.product(*sweep.vary.values()):
        stated = sweep.set | dict(zip(sweep.vary, values, strict=True))
        if "seed" in stated or "seed" in preset.base:
            raise LgnError(f"{place}: seed: is not set by hand; allowed: the list `seeds`")
        settings = preset.base | spell_out_method(stated, place, preset.base)
        for seed in sweep.seeds or preset.seeds:
            yield parse_run(settings | {"seed": seed}, place)
