"""The tables of claims: a row a claim with its verdict, a row a setting with all of its claims."""

from pathlib import Path

import pandas as pd

from analysis.conditions import recipe_text
from analysis.output import reduction_text
from analysis.verdicts import MIN_SEEDS

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


def final_summary(claims: list[dict], accuracies: pd.Series, results: Path, figures: Path) -> str:
    """What a finished workflow prints: the verdicts, where things are, and in one sentence how it went.

    accuracies: a run each, in 0..1. Where no claim has the seeds for a verdict, there is no table.
    """
    pictures = sorted(figures.glob("*.png"), key=lambda path: (path.stem != "outcomes", path))
    low, high = (f"{100 * accuracy:.0f}%" for accuracy in (accuracies.min(), accuracies.max()))
    sentence = f"everything works: {len(accuracies)} runs with {low} to {high} test accuracy, {len(pictures)} figures"
    parts = [f"tables and figures: {figures}/\nclaims in full: {results / 'claims.json'}"]
    parts += [f"look at: {pictures[0]}"] if pictures else []
    most = max((len(claim["seeds"]) for claim in claims), default=0)
    if not claims:
        return "\n".join([NO_CLAIMS, *parts, sentence])
    if most < MIN_SEEDS:
        few = {0: "no shared seed decides", 1: "one seed decides"}.get(most, "two seeds decide")
        return "\n".join([*parts, f"{sentence}; {few} nothing"])
    shown = claims_shown(claims)[
        ["claim", "scale", "paper", "measured", "95% interval", "seeds", "verdict", "why"]
    ]
    return "\n".join([shown.to_markdown(index=False, disable_numparse=True), "", *parts, sentence])
