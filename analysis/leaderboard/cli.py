"""The leaderboard's commands: python -m analysis choose | leaderboard."""

import argparse
import sys
from pathlib import Path

from analysis.tidy import read_tables
from lgn.files import given_path, require_ours


def add_commands(commands) -> None:
    """Adds them to the subparsers of `python -m analysis`."""
    one = commands.add_parser("choose", help="trials -> the preset of the leaderboard's final runs")
    _add_trials(one)
    one.add_argument("--name", default="leaderboard", help="of the preset that is written")
    one.add_argument("--output", type=given_path, required=True, help="such as config/leaderboard.yaml")
    one.set_defaults(command=_choose)

    one = commands.add_parser(
        "leaderboard", help="trials and final runs -> one page, and its rows as csv and json"
    )
    _add_trials(one)
    one.add_argument(
        "--results", type=given_path, required=True, help="results/leaderboard, of the final runs"
    )
    one.add_argument("--output", type=given_path, required=True, help="paper_figures/leaderboard")
    one.set_defaults(command=_leaderboard)


def _add_trials(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=given_path, required=True, help="preset of the trials")
    parser.add_argument("--tried", type=given_path, required=True, help="their tidy tables, results/<preset>")


def _chosen(options: argparse.Namespace):
    from analysis.leaderboard.trials import choices
    from study.preset import read_preset

    trials = read_preset(options.trials)
    chosen, missing = choices(trials, read_tables(options.tried).runs)
    for sentence in missing:
        print(sentence, file=sys.stderr)
    return trials, chosen, missing


def _choose(options: argparse.Namespace) -> None:
    from analysis.leaderboard.trials import final_preset

    require_ours(options.output, "# yaml-language-server")
    trials, chosen, _ = _chosen(options)
    options.output.write_text(final_preset(trials, chosen, options.name), encoding="utf-8")


def _leaderboard(options: argparse.Namespace) -> None:
    import os

    from analysis.leaderboard.page import write_page
    from analysis.leaderboard.scores import over_nets, score_table

    _, chosen, missing = _chosen(options)
    finals = read_tables(options.results)
    scores = score_table(chosen, finals)
    records = os.path.relpath(finals.path("runs"), options.output)
    for path in write_page(
        scores, over_nets(scores, finals), missing, options.output, Path(records).as_posix()
    ):
        print(path)
