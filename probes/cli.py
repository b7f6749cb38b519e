"""The command `lgn probe`."""

import sys

from circuits.cli import csv_text
from lgn.cli import add_data_dir, data_dir_of
from lgn.errors import LgnError
from lgn.files import given_path
from lgn.settings import parse_settings


def add_commands(commands) -> None:
    """Adds this module's command to the subparsers of `lgn`."""
    probe = commands.add_parser(
        "probe", help="print measurements of a record's weights, or of a net before training, as CSV"
    )
    probe.add_argument(
        "probe",
        help="hessian, lemma, plane, line, noise, layers, class_gates, use, bypass or cost; gradient, before training",
    )
    probe.add_argument(
        "of",
        nargs="+",
        metavar="record",
        help="directory of a record; two for line; for gradient a record or key=value ..., without method and "
        "iterations",
    )
    probe.add_argument(
        "--like",
        nargs="+",
        metavar="key=value",
        help="for gradient: a second net (or record) of the same depth; prints the epsilon that gives DLGN its ratios",
    )
    probe.add_argument("--output", type=given_path, help="write the CSV to this file")
    add_data_dir(probe)
    probe.set_defaults(command=_probe, several="of")


def _probe(options) -> None:
    import torch

    from lgn.files import require_ours, write_bytes

    torch.set_num_threads(1)
    if options.output:
        first = "layer," if options.like else "method," if options.probe == "gradient" else "iteration,"
        require_ours(options.output, first)
    rows = _gradient_rows(options) if options.probe == "gradient" else _record_rows(options)
    if options.output:
        write_bytes(options.output, csv_text(rows).encode())
    else:
        print(csv_text(rows), end="")


def _record_rows(options) -> list[dict]:
    from probes.record import probe_record

    if options.like:
        raise LgnError(f"--like: is given to probe {options.probe!r}; allowed: to gradient")
    if len(options.of) > 2:
        raise LgnError(
            f"probe: {options.probe!r} of {len(options.of)} records; allowed: one, or two of a line"
        )
    directory, *other = map(given_path, options.of)
    return probe_record(options.probe, directory, data_dir_of(options), *other)


def _gradient_rows(options) -> list[dict]:
    """The rows to print; prints their meaning on standard error."""
    from probes import gradient

    run, data_dir = _net(options.of), data_dir_of(options)
    if options.like:
        rows = gradient.probe_like(run, _net(options.like), data_dir)
        sentences = [gradient.median_epsilon(rows)]
    else:
        rows = gradient.probe_methods(run, data_dir)
        sentences = gradient.predictions(rows, run.learning_rate)
    print("\n".join(sentences), file=sys.stderr)
    return [{key: f"{x:.5g}" if isinstance(x, float) else x for key, x in row.items()} for row in rows]


def _net(given: list[str]):
    """The run of settings, or of a record's directory."""
    from lgn.records import read_run
    from lgn.run import parse_run
    from probes.gradient import parse_net

    directory = given_path(given[0])
    if len(given) == 1 and (directory.is_dir() or "=" not in given[0]):
        return parse_run(read_run(directory)["settings"], str(directory / "run.json"))
    return parse_net(parse_settings(given), "lgn probe gradient")
