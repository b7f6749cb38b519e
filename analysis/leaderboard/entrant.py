"""One method against the field: the preset of its trials on one net, and its differences to every method there."""

import json
from typing import Any

import pandas as pd

from analysis.leaderboard.scores import TUNED, accuracies, final_runs, paired
from analysis.leaderboard.trials import Choice
from analysis.tidy import Tables
from lgn.errors import LgnError
from lgn.methods import spell_out_method
from lgn.methods._registry import parametrizations
from study.preset import Preset, Sweep


def entrant_preset(trials: Preset, method: str, depth: int | None) -> dict[str, object]:
    """The preset of a method's trials on the net of one depth, by default the smallest.

    Its trials are those that methods with a temperature have, or those without, as it has one. Raises LgnError where
    there is no such method, or no net of that depth.
    """
    stands_for = spell_out_method({"method": method}, "entrant")
    kind = parametrizations()[stands_for.get("parametrization", "softmax")]
    depths = sorted({_depth(trials, sweep) for sweep in trials.sweeps})
    depth = depths[0] if depth is None else depth
    sweeps = [
        {"set": sweep.set | {"method": method}}
        for sweep in trials.sweeps
        if _depth(trials, sweep) == depth and ("temperature" in sweep.set) == ("temperature" in kind.applies)
    ]
    if not sweeps:
        raise LgnError(f"depth: {depth}; allowed: a depth of the trials, {', '.join(map(str, depths))}")
    return {"preset": f"{method}_trials", "base": trials.base, "seeds": trials.seeds, "sweeps": sweeps}


def _depth(trials: Preset, sweep: Sweep) -> Any:
    return sweep.set.get("depth", trials.base.get("depth"))


def differences(choice: Choice, own: Tables, field: pd.DataFrame, finals: Tables) -> pd.DataFrame:
    """A row a tuned method of the field on the choice's net: its accuracy, and the entrant's minus it, seed by seed.

    field: score_table's rows. Shares in 0..1 with 95% intervals; best first. Raises LgnError where the net has none.
    """
    dataset, depth, width = choice.net
    there = field[
        (field["dataset"] == dataset)
        & (field["depth"] == depth)
        & (field["width"] == width)
        & (field["kind"] == TUNED)
    ]
    if there.empty:
        raise LgnError(
            f"{dataset} {depth} x {width}: the field has no final runs there; allowed: a net with some"
        )
    ran, rows = accuracies(own, final_runs(choice.tuned, own.runs)), []
    for _, row in there.iterrows():
        other = accuracies(finals, finals.runs[finals.runs["run_id"].isin(json.loads(row["run_ids"]))])
        mean, low, high = paired(ran, other)
        rows.append({"method": row["method"], "accuracy": row["accuracy"], "difference": mean, "low": low, "high": high,
                     "seeds": len(ran.index.intersection(other.index))})  # fmt: skip
    return pd.DataFrame(rows).sort_values("accuracy", ascending=False)


def shown(choice: Choice, found: pd.DataFrame) -> str:
    """differences() as lines of text."""
    dataset, depth, width = choice.net
    lines = [
        f"{choice.default.method} on {dataset}, {depth} x {width}: test accuracy minus the method's, points"
    ]
    for row in found.itertuples():
        interval = f"[{100 * row.low:+.1f}, {100 * row.high:+.1f}]"
        accuracy, difference = f"{100 * row.accuracy:5.1f}%", f"{100 * row.difference:+5.1f}"
        lines.append(f"{row.method:>16} {accuracy}  {difference} {interval:>14}  {row.seeds} seeds")
    return "\n".join(lines)
