"""`python -m benchmarks`: measures, and writes tables and figures into one folder."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
import torch

from benchmarks import figures, inference, scaling, speed, workflow
from benchmarks.cases import QUICK_CASES, SPEED_CASES
from lgn.errors import LgnError
from lgn.files import given_path
from lgn.machine import describe

PARTS = ("speed", "inference", "scaling", "workflow")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status."""
    try:
        options = _parser().parse_args(arguments)
        folder = options.output
        folder.mkdir(parents=True, exist_ok=True)
        if options.part in (*PARTS, "all"):
            measure_parts(
                PARTS if options.part == "all" else (options.part,), folder, options.quick, options.rounds
            )
        for path in figures.draw_all(folder):
            print(path)
    except (LgnError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def measure_parts(parts: Sequence[str], folder: Path, quick: bool, rounds: int | None) -> None:
    """Measures each part and writes its table, targets and notes at once; also writes machine.json."""
    (folder / "machine.json").write_text(json.dumps(machine(), indent=2) + "\n", encoding="utf-8")
    for part in parts:
        table, targets, notes = MEASURE[part](quick, rounds)
        _write(table, folder / f"{part}.csv")
        for note in notes:
            report(note)
        (folder / f"{part}_notes.txt").write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")
        if targets is not None:
            _write(targets, folder / f"{part}_targets.csv")
            if len(targets):
                print(targets.to_markdown(index=False, floatfmt=".3g"))


def _speed(quick: bool, rounds: int | None):
    cases = [_with_rounds(case, rounds) for case in (QUICK_CASES if quick else SPEED_CASES)]
    return speed.run_speed(cases, report)


def _inference(quick: bool, rounds: int | None):
    case = _with_rounds(inference.QUICK_CASE if quick else inference.CASE, rounds)
    table, notes = inference.run_inference(case, report)
    return table, inference.targets(table, () if quick else inference.TARGETS), notes


def _scaling(quick: bool, rounds: int | None):
    table, notes = scaling.run_scaling(report, quick, rounds)
    return table, None, notes


def _workflow(quick: bool, rounds: int | None):
    table, notes = workflow.run_workflow(report, quick)
    return table, None, notes


MEASURE = {"speed": _speed, "inference": _inference, "scaling": _scaling, "workflow": _workflow}


def _with_rounds(case, rounds: int | None):
    return case if rounds is None else replace(case, rounds=rounds)


def machine() -> dict[str, object]:
    """Processor, versions and load before anything is measured."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    described = describe("numba", device, threads=1, together=1)
    del described["threads"], described["together"], described["backend"]
    try:
        described["torchlogix"] = version("torchlogix")
    except PackageNotFoundError:
        described["torchlogix"] = None
    return described | {"load_before": os.getloadavg()[0]}


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "part", nargs="?", default="all", choices=(*PARTS, "figures", "all"),
        help="what to measure; figures draws the stored tables again",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="small networks: shows that everything runs")
    parser.add_argument(
        "--rounds", type=_positive, help="turns of every implementation (each case has its own)"
    )
    parser.add_argument(
        "--output", type=given_path, default="results/benchmarks", help="folder of tables and figures"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
