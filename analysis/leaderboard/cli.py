"""The leaderboard's commands: python -m analysis choose | leaderboard | entrant | against | validate."""

import argparse
import sys
from pathlib import Path

import yaml

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

    one = commands.add_parser("entrant", help="the preset of one method's trials on the smallest net")
    one.add_argument("method")
    one.add_argument("--trials", type=given_path, required=True, help="preset of the division's trials")
    one.add_argument("--depth", type=int, help="of the net (default: the smallest)")
    one.add_argument("--output", type=given_path, required=True, help="results/<method>_trials.yaml")
    one.set_defaults(command=_entrant)

    one = commands.add_parser("against", help="paired differences of an entrant to every method of the field")
    _add_trials(one)
    one.add_argument(
        "--results", type=given_path, required=True, help="tidy tables of the entrant's final runs"
    )
    one.add_argument("--field", type=given_path, required=True, help="of the division's final runs")
    one.add_argument("--field-trials", type=given_path, required=True, help="preset of the division's trials")
    one.add_argument(
        "--field-tried", type=given_path, required=True, help="tidy tables of the division's trials"
    )
    one.set_defaults(command=_against)

    one = commands.add_parser(
        "validate", help="do contributed records keep the protocol and give their scores?"
    )
    one.add_argument("folder", type=given_path, help="folder with records at any depth")
    one.add_argument("--trials", type=given_path, required=True, help="preset of the division's trials")
    one.add_argument(
        "--data-dir", type=given_path, help="folder of the data files (default: LGN_DATA, or data)"
    )
    one.set_defaults(command=_validate)


def _add_trials(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=given_path, required=True, help="preset of the trials")
    parser.add_argument("--tried", type=given_path, required=True, help="their tidy tables, results/<preset>")


def _chosen(trials_path: Path, tried: Path):
    from analysis.leaderboard.trials import choices
    from study.preset import read_preset

    trials = read_preset(trials_path)
    chosen, missing = choices(trials, read_tables(tried).runs)
    for sentence in missing:
        print(sentence, file=sys.stderr)
    return trials, chosen, missing


def _choose(options: argparse.Namespace) -> None:
    from analysis.leaderboard.trials import final_preset

    require_ours(options.output, "# yaml-language-server")
    trials, chosen, _ = _chosen(options.trials, options.tried)
    options.output.write_text(
        final_preset(trials, chosen, options.name, str(options.trials)), encoding="utf-8"
    )


def _leaderboard(options: argparse.Namespace) -> None:
    from analysis.leaderboard.page import make_page
    from study.preset import read_preset

    for path in make_page(read_preset(options.trials), options.tried, options.results, options.output):
        print(path)


def _entrant(options: argparse.Namespace) -> None:
    from analysis.leaderboard.entrant import entrant_preset
    from study.preset import read_preset

    require_ours(options.output, "preset: ")
    preset = entrant_preset(read_preset(options.trials), options.method, options.depth)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(yaml.safe_dump(preset, sort_keys=False), encoding="utf-8")


def _against(options: argparse.Namespace) -> None:
    from analysis.leaderboard.entrant import differences, shown
    from analysis.leaderboard.scores import score_table

    _, (own,), _ = _chosen(options.trials, options.tried)
    _, chosen, _ = _chosen(options.field_trials, options.field_tried)
    results, field = read_tables(options.results), read_tables(options.field)
    print(shown(own, differences(own, results, score_table(chosen, field), field)))


def _validate(options: argparse.Namespace) -> None:
    from analysis.leaderboard.validate import validate
    from lgn.data import default_data_dir
    from lgn.errors import LgnError
    from study.preset import read_preset

    refused, machines, count = 0, set(), 0
    for checked in validate(
        options.folder, read_preset(options.trials), options.data_dir or default_data_dir()
    ):
        count, refused = count + 1, refused + bool(checked.faults)
        machines.add(checked.machine)
        for fault in checked.faults or [f"test accuracy {checked.accuracy:.4f}, recomputed from its weights"]:
            print(f"{checked.run_id}: {fault}")
    print(f"{count} records of {'; '.join(sorted(machines - {''}))}")
    if refused:
        raise LgnError(f"{options.folder}: {refused} of {count} records do not stand; allowed: none")
