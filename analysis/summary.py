"""The tables: a row a condition with what it reached, and a row a claim with its verdict."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import comparisons, paper_values
from analysis.conditions import (
    PAPER_METHODS,
    SCALE_COLUMNS,
    condition_columns,
    conditions,
    recipe_text,
    settings,
)
from analysis.output import duration, reduction_text, with_interval
from analysis.statistics import mean_interval
from analysis.tidy import Tables
from analysis.unused import unused_shares
from lgn.methods import method_label

CLAIM_NAMES = {
    "speed_seconds": "training speed, wall-clock",
    "speed_iterations": "training speed, iterations",
    "gap_reduction": "smaller discretization gap",
    "unused_reduction": "fewer unused gates",
    "time_per_iteration": "time an iteration",
}
NO_CLAIMS = "No claim could be measured: DLGN and GLGN did not both run at any setting of this preset."
_CLAIM_UNITS = {
    "speed_seconds": "{:.3g}x".format,
    "speed_iterations": "{:.3g}x".format,
    "gap_reduction": reduction_text,
    "unused_reduction": reduction_text,
    "time_per_iteration": "{:.3f}x".format,
}
_SHARES = (
    # column, header, digits of its percentages
    ("final_accuracy", "final acc. %", 1),
    ("best_accuracy", "best acc. %", 1),
    ("gap", "gap, points", 2),
    ("unused_share", "unused %", 1),
)


def summary_values(tables: Tables) -> pd.DataFrame:
    """A row a condition, then the paper's rows: settings, seeds, and mean, low, high of each measure (shares in 0..1).

    Times are those of the mean curve to the target of the condition's setting, the best of its DLGN; empty where it is
    not reached. runs_reaching counts single runs.
    """
    rows = []
    varied = [n for n in condition_columns(tables.runs) if tables.runs[n].nunique(dropna=False) > 1]
    kept = list(dict.fromkeys([*SCALE_COLUMNS, "temperature", *varied]))
    for setting in settings(tables.runs):
        has_target = "dlgn" in setting.conditions
        target = comparisons.target(tables.history, setting) if has_target else math.nan
        for condition in sorted(conditions(setting.runs), key=_order):
            first = condition.iloc[0]
            row = {"source": "measured", "method": first["method"], **{name: first[name] for name in kept}}
            rows.append(row | condition_values(tables, condition, target))
    return pd.DataFrame([*rows, *paper_rows()])


def condition_values(tables: Tables, condition: pd.DataFrame, target: float) -> dict[str, object]:
    """The measures of one condition; times are NaN without a target."""
    history = tables.history
    row: dict[str, object] = {"seeds": len(condition)}
    curves = comparisons.curves(history, condition)
    per_seed = {
        "final_accuracy": comparisons.finals(history, condition, "test_accuracy_discrete"),
        "best_accuracy": comparisons.best_of_runs(history, condition),
        "gap": comparisons.end_gaps(history, condition),
        "unused_share": unused_shares(tables, condition),
        "iterations_to_converge": comparisons.iterations_to_converge(history, condition),
        "milliseconds_an_iteration": 1e3 * comparisons.seconds_an_iteration(history, condition),
    }
    for name, values in per_seed.items():
        row[name], row[f"{name}_low"], row[f"{name}_high"] = (float(x) for x in mean_interval(values))
    row["iterations_run"] = int(condition["final_iteration"].max())
    row["target_accuracy"] = target
    if math.isnan(target):
        return row | {
            "iterations_to_target": math.nan,
            "seconds_to_target": math.nan,
            "runs_reaching": math.nan,
        }
    for unit in ("iterations", "seconds"):
        time, _ = comparisons.times_to(curves, np.array([target]), comparisons.all_seeds(curves), unit)
        row[f"{unit}_to_target"] = float(time[0]) if np.isfinite(time[0]) else math.nan
    row["runs_reaching"] = comparisons.runs_reaching(history, condition, target)
    return row


def paper_rows() -> list[dict]:
    """The paper's own numbers as rows, told apart by their source."""
    return [
        {
            "source": paper_values.CITATION,
            "method": method,
            "dataset": paper_values.DATASET,
            "depth": paper_values.DEPTH,
            "width": paper_values.WIDTH,
            "temperature": paper_values.TEMPERATURE if method == "glgn" else math.nan,
            "seeds": 1,
            "final_accuracy": paper_values.FINAL_ACCURACY[method],
            "gap": paper_values.GAP[method],
            "unused_share": paper_values.UNUSED_SHARE[method],
        }
        for method in ("dlgn", "glgn")
    ]


def summary_shown(values: pd.DataFrame) -> pd.DataFrame:
    """The same rows as text: percentages with their 95% intervals."""
    described = [
        n for n in values.columns[: values.columns.get_loc("seeds")] if n not in ("source", "method")
    ]
    # Some settings are in the method's name; the budget is in the iterations run.
    in_name = ("parametrization", "noise", "straight_through")
    described = [n for n in described if n not in (*in_name, "iterations", "evaluations")]
    rows = []
    for _, row in values.iterrows():
        cells = {"method": method_label(row["method"])}
        cells |= {name.replace("_", " "): _plain(row[name]) for name in described}
        cells["seeds"] = str(int(row["seeds"]))
        for name, header, digits in _SHARES:
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            cells[header] = with_interval(row[name], low, high, lambda x, d=digits: f"{100 * x:.{d}f}")
        converged = (row[f"iterations_to_converge{end}"] for end in ("", "_low", "_high"))
        cells["iterations to within 1% of the best"] = with_interval(*converged, duration)
        cells["iterations to target"] = _time(row, "iterations")
        cells["seconds to target"] = _time(row, "seconds")
        cells["runs there"] = (
            "-" if pd.isna(row["runs_reaching"]) else f"{row['runs_reaching']:.0f} of {row['seeds']}"
        )
        cells["source"] = row["source"]
        rows.append(cells)
    return pd.DataFrame(rows)


def claims_shown(claims: list[dict]) -> pd.DataFrame:
    """A row a claim, as text; the last column, detail, is too long for a printed table."""
    columns = ["claim", "paper", "measured", "95% interval", "seeds", "scale", "verdict", "why", "detail"]
    rows = []
    for claim in claims:
        show = _CLAIM_UNITS[claim["claim"]]
        low, high = claim["interval"]
        rows.append(
            {
                "claim": CLAIM_NAMES[claim["claim"]],
                "paper": show(claim["paper"]["value"]),
                "measured": claim["measured_text"],
                "95% interval": "-" if pd.isna(low) or pd.isna(high) else f"[{show(low)}, {show(high)}]",
                "seeds": str(len(claim["seeds"])),
                "scale": scale_text(claim["scale"]),
                "verdict": claim["verdict"],
                "why": claim["reason"],
                "detail": claim["detail"],
            }
        )
    return pd.DataFrame(rows, columns=columns)


def verdicts_shown(claims: list[dict]) -> pd.DataFrame:
    """A row a setting, the claims beside each other: verdict, and what was measured with its interval."""
    rows: dict[str, dict[str, str]] = {}
    for claim in claims:
        row = rows.setdefault(scale_text(claim["scale"]), {"seeds": str(len(claim["seeds"]))})
        low, high = claim["interval"]
        show = _CLAIM_UNITS[claim["claim"]]
        interval = "" if pd.isna(low) or pd.isna(high) else f" [{show(low)}, {show(high)}]"
        verdict = "" if claim["verdict"] == "-" else f"{claim['verdict']}: "
        row[CLAIM_NAMES[claim["claim"]]] = f"{verdict}{claim['measured_text']}{interval}"
    return pd.DataFrame(
        [{"scale": scale} | row for scale, row in rows.items()],
        columns=["scale", "seeds", *CLAIM_NAMES.values()],
    )


def scale_text(scale: dict) -> str:
    """digits, 12 x 500, tau 0.1, 60,000 iterations (GLGN 400,000)"""
    known = ("dataset", "depth", "width", "glgn_temperature", "iterations")
    recipe = recipe_text({name: value for name, value in scale.items() if name not in known})
    dlgn, glgn = scale["iterations"].get("dlgn"), scale["iterations"].get("glgn")
    iterations = "no shared seed"
    if dlgn is not None:
        iterations = f"{dlgn:,} iterations" + ("" if dlgn == glgn else f" (GLGN {glgn:,})")
    size = f"{scale['depth']} x {scale['width']:,}"
    parts = [scale["dataset"], size, recipe, f"tau {scale['glgn_temperature']:g}", iterations]
    return ", ".join(filter(None, parts))


def _time(row: pd.Series, unit: str) -> str:
    if pd.isna(row["target_accuracy"]):
        return "-"
    if pd.isna(row[f"{unit}_to_target"]):
        return "not reached"
    return duration(row[f"{unit}_to_target"])


def _plain(value: object) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, float | np.floating):
        return f"{value:g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int | np.integer) and not isinstance(value, bool) else str(value)


def _order(condition: pd.DataFrame) -> tuple:
    method = condition["method"].iloc[0]
    rank = PAPER_METHODS.index(method) if method in PAPER_METHODS else len(PAPER_METHODS)
    return rank, method, float(condition["temperature"].iloc[0]), int(condition["iterations"].iloc[0])


def final_summary(claims: list[dict], results: Path, figures: Path) -> str:
    """What a finished workflow prints: the verdicts, and where figures and tables are."""
    shown = claims_shown(claims)[
        ["claim", "scale", "paper", "measured", "95% interval", "seeds", "verdict", "why"]
    ]
    table = shown.to_markdown(index=False, disable_numparse=True) if claims else NO_CLAIMS
    pictures = sorted(figures.glob("*.pdf"))
    places = f"{len(pictures)} figures and the tables: {figures}/\nclaims in full: {results / 'claims.json'}"
    return f"{table}\n\n{places}"
