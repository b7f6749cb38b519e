"""Which runs belong together: settings (what methods are compared at) and conditions (what seeds repeat).

Works on a table with a row a run and the run's settings as columns: runs.csv, or a design before anything ran.
"""

import math
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from analysis.memo import remembered
from analysis.paper_values import BASELINE, FASTEST_TEMPERATURE, PROPOSED
from lgn.methods import METHOD_LABELS, parametrizations
from lgn.run import Run
from study.primary import BUDGET_KEYS, METHOD_KEYS

METHOD_COLUMNS, BUDGET_COLUMNS = METHOD_KEYS, BUDGET_KEYS

SCALE_COLUMNS = ("dataset", "depth", "width")


def named_methods() -> list[str]:
    """The methods that lgn.methods names, in its order; GLGN with another noise is none of them."""
    return [*METHOD_LABELS, *(name for kind in parametrizations().values() for name in kind.named)]


def method_rank(method: str) -> tuple[float, str]:
    """Where a method stands in every legend and table: as lgn.methods has it, other noises after the first four."""
    known = named_methods()
    return (known.index(method) if method in known else len(METHOD_LABELS) - 0.5), method


@dataclass(frozen=True)
class Setting:
    """A data set, depth, width and recipe (the other settings) at which methods ran.

    recipe: what else sets it apart from most runs of its preset, such as {"init": "residual"}; empty for most.
    runs: its runs, all methods. conditions: method -> the runs (one a seed) that stand for it here. baseline: the
    first method of its preset, which times to target and log-ranks are against.
    """

    dataset: str
    depth: int
    width: int
    recipe: dict[str, object]
    runs: pd.DataFrame = field(repr=False)
    conditions: dict[str, pd.DataFrame] = field(repr=False)
    baseline: str = ""

    @property
    def recipe_text(self) -> str:
        """init residual, init_bias 5; empty for most settings"""
        return recipe_text(self.recipe)


def recipe_text(recipe: dict[str, object]) -> str:
    """init residual, init_bias 5; what has no value is null, as in a preset"""

    def shown(value: object) -> object:
        return "null" if value is None else f"{value:g}" if isinstance(value, float) else value

    return ", ".join(f"{name} {shown(value)}" for name, value in recipe.items())


def setting_columns(runs: pd.DataFrame) -> list[str]:
    """The columns of a runs table that are settings of the run; a file's digest goes with its path."""
    return [name for name in runs.columns if name in Run.model_fields and name != "file_sha256"]


def condition_columns(runs: pd.DataFrame) -> list[str]:
    """All settings but the seed: runs equal in these are repetitions."""
    return [name for name in setting_columns(runs) if name != "seed"]


@remembered
def settings(runs: pd.DataFrame) -> list[Setting]:
    """The settings of a runs table, ordered by data set, depth, width, then recipe."""
    recipe = [
        n for n in condition_columns(runs) if n not in (*METHOD_COLUMNS, *SCALE_COLUMNS, *BUDGET_COLUMNS)
    ]
    varied = [name for name in recipe if runs[name].nunique(dropna=False) > 1]
    # The value of most runs goes without saying; where two are as common, none does, and an epsilon never.
    usual = {
        name: modes.iloc[0]
        for name in varied
        if name != "epsilon" and len(modes := runs[name].mode(dropna=False)) == 1
    }
    found, baseline = [], min(runs["method"].unique(), key=method_rank, default="")
    for key, part in runs.groupby([*SCALE_COLUMNS, *varied], dropna=False, sort=True):
        dataset, depth, width, *values = key
        apart = {
            name: None if pd.isna(value) else value
            for name, value in zip(varied, values, strict=True)
            if name not in usual or not _same(value, usual[name])
        }
        found.append(
            Setting(dataset, int(depth), int(width), apart, part, _primary_conditions(part), baseline)
        )
    return found


def _same(value: object, usual: object) -> bool:
    return value == usual or bool(pd.isna(value) and pd.isna(usual))


def conditions(runs: pd.DataFrame) -> list[pd.DataFrame]:
    """The runs of each condition of a table, by seed."""
    if runs.empty:
        return []
    # Constant columns make no groups but take most of the time.
    varied = [name for name in condition_columns(runs) if runs[name].nunique(dropna=False) > 1]
    groups = runs.groupby(varied, dropna=False, sort=True) if varied else [((), runs)]
    return [part.sort_values("seed") for _, part in groups]


def by_temperature(setting: Setting, method: str) -> dict[float, pd.DataFrame]:
    """temperature -> the condition of a method at it: of most seeds, then of the longest budget."""
    parts = conditions(setting.runs[setting.runs["method"] == method])
    # Where one temperature has several, the last stands.
    parts.sort(key=lambda part: (len(part), part["iterations"].iloc[0]))
    found = {float(part["temperature"].iloc[0]): part for part in parts}
    return {temperature: found[temperature] for temperature in sorted(found)}


def comparable(found: list[Setting]) -> list[Setting]:
    """Those settings where both methods that the paper compares ran: what the claims are about."""
    return [setting for setting in found if {BASELINE, PROPOSED} <= set(setting.conditions)]


def guessed_primary(runs: pd.DataFrame) -> list[str]:
    """A sentence for each setting whose GLGN, of several temperatures, no preset states: the rule has chosen one."""
    sentences = []
    for setting in comparable(settings(runs)):
        chosen, swept = setting.conditions[PROPOSED].iloc[0], by_temperature(setting, PROPOSED)
        if len(swept) > 1 and chosen.get("primary") != chosen["temperature"]:
            where = f"{setting.dataset}, {setting.depth} x {setting.width} {setting.recipe_text}".strip()
            temperatures = ", ".join(f"{temperature:g}" for temperature in swept)
            sentences.append(
                f"{where}: claims are about GLGN at temperature {chosen['temperature']:g}, of {temperatures}, by the "
                "rule of docs/verdicts.md; `collect --primary` states another"
            )
    return sentences


def shared_seeds(one: pd.DataFrame, other: pd.DataFrame) -> list[int]:
    """Seeds that both conditions ran: same wiring, initial logits and data order."""
    return sorted(set(one["seed"]) & set(other["seed"]))


def _primary_conditions(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """method -> the condition that stands for it, where several temperatures or budgets ran.

    DLGN: the most seeds, then the temperature nearest 1 (the paper's softmax has none). GLGN: the temperature that the
    preset states as its `primary`, where GLGN ran at it; then the most seeds shared with DLGN, then the temperature at
    which most noisy methods ran, then nearest 0.25. Others: most seeds shared with GLGN, then nearest to GLGN's
    temperature. Then the longest budget.
    """
    methods = list(dict.fromkeys(runs["method"]))
    methods.sort(key=method_rank)
    chosen: dict[str, pd.DataFrame] = {}
    for method in methods:
        partner = chosen.get(BASELINE if method == PROPOSED else PROPOSED)
        if method == BASELINE:
            reference = 1.0
        elif method == PROPOSED or PROPOSED not in chosen:
            reference = FASTEST_TEMPERATURE
        else:
            reference = float(chosen[PROPOSED]["temperature"].iloc[0])
        ran = runs[runs["method"] == method]
        if method == PROPOSED and "primary" in ran:
            stated = ran[ran["temperature"] == ran["primary"]]
            ran = ran if stated.empty else stated
        candidates = conditions(ran)
        company = _noisy_methods(runs) if method == PROPOSED else {}
        preference = partial(_preference, partner=partner, company=company, reference=reference)
        chosen[method] = min(candidates, key=preference)
    return chosen


def _preference(
    part: pd.DataFrame, partner: pd.DataFrame | None, company: dict[float, int], reference: float
) -> tuple:
    """Sorts the preferred condition first."""
    shared = len(shared_seeds(part, partner)) if partner is not None else len(part)
    temperature = float(part["temperature"].iloc[0])
    distance = round(abs(math.log(temperature / reference)), 9)
    return (-shared, -company.get(temperature, 0), distance, temperature, -int(part["iterations"].iloc[0]))


def _noisy_methods(runs: pd.DataFrame) -> dict[float, int]:
    """temperature -> how many methods with noise ran at it."""
    return runs[runs["noise"] != "none"].groupby("temperature")["method"].nunique().to_dict()
