"""The command line: python -m analysis, from records to tables, claims and figures."""

import argparse
import sys
from pathlib import Path

from analysis.collect import collect, read_run_ids
from analysis.leaderboard import cli as leaderboard
from analysis.tidy import read_tables
from lgn.errors import LgnError
from lgn.files import given_path
from lgn.settings import parse_settings


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; wrong input prints one line on standard error and returns 2."""
    try:
        options = _parser().parse_args(arguments)
        options.command(options)
    except LgnError as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.filename is None:
            raise
        print(f"analysis: {error.filename}: cannot be written or read ({error.strerror})", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="From run records to tables, claims and figures."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    one = commands.add_parser("collect", help="run records -> tidy tables (csv)")
    one.add_argument(
        "--runs", type=given_path, required=True, help="folder of the records, results/<preset>/runs"
    )
    one.add_argument(
        "--run-ids", type=given_path, help="file of run ids or run.json paths, a line each (default: all)"
    )
    one.add_argument(
        "--primary", type=float, help="the temperature that the preset states for GLGN, if it does"
    )
    one.add_argument(
        "--output", type=given_path, required=True, help="folder of the tables, results/<preset>"
    )
    one.set_defaults(command=_collect)

    one = _with_results(commands, "claims", "tidy tables -> claims.json and tables/claims.{md,tex,csv}")
    one.set_defaults(command=_claims)

    one = _with_results(
        commands, "tables", "tidy tables and claims -> summary and claims as md, tex, csv", output=True
    )
    one.add_argument(
        "--compare", nargs="+", default=[], metavar="METHOD:AGAINST", help="pairs of the table `compare`"
    )
    one.set_defaults(command=_tables)

    one = _with_results(commands, "figure", "tidy tables -> one figure as pdf and png", output=True)
    one.add_argument("name", help="such as learning_curves")
    one.add_argument("--methods", nargs="+", default=[], metavar="METHOD", help="these alone")
    one.add_argument(
        "--settings", nargs="+", default=[], metavar="key=value", help="runs of these alone, such as depth=12"
    )
    one.add_argument(
        "--style", type=given_path, metavar="FILE", help="style sheet of matplotlib, over our own"
    )
    one.add_argument(
        "--width", type=float, metavar="INCHES", help="such as 3.25, a column of a paper (default: 7)"
    )
    one.add_argument("--format", nargs="+", default=["pdf", "png"], help="pdf, png or svg (default: pdf png)")
    one.add_argument(
        "--no-title", action="store_true", help="without the settings' names, which a caption has"
    )
    one.set_defaults(command=_figure)

    one = _with_results(commands, "figures", "every figure that the preset has the runs for", output=True)
    one.add_argument("--processes", type=int, default=1, help="draw as many figures at once")
    one.add_argument("--names", nargs="+", help="these alone")
    one.set_defaults(command=_figures)

    one = commands.add_parser(
        "gallery", help="a page of each folder's figures with their captions: gallery.md"
    )
    one.add_argument(
        "--figures",
        type=given_path,
        default=Path("paper_figures/reference"),
        help="of one preset, or of several",
    )
    one.set_defaults(command=_gallery)

    one = _with_results(
        commands,
        "summary",
        "print the claims, where the figures are, and how many runs there were",
        output=True,
    )
    one.set_defaults(command=_summary)

    one = _with_results(
        commands, "report", "one HTML page of claims and figures: results/<preset>/report.html", output=True
    )
    one.set_defaults(command=_report)

    one = commands.add_parser("published", help="published numbers, beside them the same nets of presets")
    one.add_argument("--results", type=given_path, nargs="+", required=True, help="results/<preset> of each")
    one.add_argument("--output", type=given_path, required=True, help="folder of published.{md,tex,csv}")
    one.set_defaults(command=_published)

    one = commands.add_parser("keep", help="tidy tables of a preset -> compressed, for a repository")
    one.add_argument("--results", type=given_path, required=True, help="results/<preset>")
    one.add_argument("--output", type=given_path, required=True, help="results/reference/<preset>")
    one.add_argument(
        "--add", action="store_true", help="leave the runs that are kept there already beside them"
    )
    one.set_defaults(command=_keep)

    one = commands.add_parser("redraw", help="figures and tables of all kept presets, without training")
    one.add_argument("--reference", type=given_path, default=Path("results/reference"))
    one.add_argument("--output", type=given_path, default=Path("paper_figures/reference"))
    one.add_argument("--config", type=given_path, default=Path("config"), help="folder of the presets")
    one.set_defaults(command=_redraw)

    leaderboard.add_commands(commands)
    return parser


def _with_results(commands, name: str, text: str, *, output: bool = False) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--results", type=given_path, required=True, help="results/<preset>")
    if output:
        parser.add_argument("--output", type=given_path, required=True, help="paper_figures/<preset>")
    return parser


def _collect(options: argparse.Namespace) -> None:
    listed = options.run_ids and read_run_ids(options.run_ids)
    collect(options.runs, options.output, listed, options.primary)


# Imports that need matplotlib or torch stay inside the commands: collecting needs neither.


def _claims(options: argparse.Namespace) -> None:
    from analysis.claim_tables import claims_shown
    from analysis.claims import make_claims, write_claims
    from analysis.conditions import guessed_primary
    from analysis.output import write_table

    tables = read_tables(options.results)
    for sentence in guessed_primary(tables.runs):
        print(sentence, file=sys.stderr)
    claims = make_claims(tables)
    write_claims(claims, options.results / "claims.json")
    shown = claims_shown(claims)
    write_table("claims", shown.drop(columns="detail"), options.results / "tables", shown)


def _tables(options: argparse.Namespace) -> None:
    from analysis.claims import read_claims
    from analysis.tables import write_tables
    from study.compared import parse_pair

    pairs = [parse_pair(text) for text in options.compare]
    claims = read_claims(options.results / "claims.json")
    write_tables(read_tables(options.results), claims, options.output, pairs)


def _figure(options: argparse.Namespace) -> None:
    from analysis.figures import write_figure
    from analysis.reference import tidy
    from analysis.selection import selected
    from analysis.style import FORMATS

    for ending in set(options.format) - set(FORMATS):
        raise LgnError(f"--format: {ending}; allowed: {', '.join(FORMATS)}")
    if options.width is not None and not 2 <= options.width <= 20:
        raise LgnError(f"--width: {options.width:g}; allowed: 2 to 20 inches")
    look = {"sheet": options.style, "width": options.width, "titles": not options.no_title}
    with tidy(options.results) as results:
        tables = selected(read_tables(results), options.methods, parse_settings(options.settings))
        write_figure(options.name, tables, options.output, options.format, **look)


def _figures(options: argparse.Namespace) -> None:
    from analysis.reference import draw_figures, tidy

    with tidy(options.results) as results:
        paths = draw_figures(results, options.output, options.processes, options.names)
    print(f"{len(paths)} files in {options.output}")


def _gallery(options: argparse.Namespace) -> None:
    from analysis.gallery import galleries

    for path in galleries(options.figures):
        print(path)


def _summary(options: argparse.Namespace) -> None:
    from analysis.claim_tables import final_summary
    from analysis.claims import read_claims

    claims = read_claims(options.results / "claims.json")
    accuracies = read_tables(options.results).runs["final_test_accuracy_discrete"]
    print(final_summary(claims, accuracies, options.results, options.output))


def _report(options: argparse.Namespace) -> None:
    from analysis.claims import read_claims
    from analysis.report import write_report

    claims = read_claims(options.results / "claims.json")
    print(write_report(claims, options.output, options.results / "report.html"))


def _published(options: argparse.Namespace) -> None:
    from analysis.published import write_published

    for path in write_published(options.results, options.output):
        print(path)


def _keep(options: argparse.Namespace) -> None:
    from analysis.reference import keep

    for path in keep(options.results, options.output, options.add):
        print(path)


def _redraw(options: argparse.Namespace) -> None:
    from analysis.reference import redraw

    paths = redraw(options.reference, options.output, options.config)
    print(f"{len(paths)} files below {options.output}")
