"""The commands about one record and its data: lgn evaluate | fetch."""

import csv
import math
import sys

from lgn.arguments import add_data_dir, add_execution, data_dir_of, execution_of
from lgn.folders import given_path


def add_commands(commands) -> None:
    """Adds them to the subparsers of `lgn`."""
    evaluate = commands.add_parser("evaluate", help="evaluate the stored weights of a run anew")
    evaluate.add_argument("record", type=given_path, help="directory of a record")
    add_execution(evaluate)
    add_data_dir(evaluate)
    evaluate.set_defaults(command=_evaluate)

    fetch = commands.add_parser("fetch", help="download a data set into the data folder, checked")
    fetch.add_argument("dataset")
    fetch.add_argument(
        "--report", type=given_path, default=None, help="write what was found to this JSON file"
    )
    add_data_dir(fetch)
    fetch.set_defaults(command=_fetch)


def _evaluate(options) -> None:
    from lgn.training import evaluate_record

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("column", "recorded", "now"))
    for column, (recorded, now) in evaluate_record(
        options.record, data_dir_of(options), execution_of(options)
    ).items():
        writer.writerow((column, recorded, "" if math.isnan(now) else f"{now:.7g}"))


def _fetch(options) -> None:
    from lgn.data import describe, fetch
    from lgn.outputs import require_ours
    from lgn.storage import write_json

    if options.report:
        require_ours(options.report, '{\n  "dataset"')
    fetch(options.dataset, data_dir_of(options))
    found = describe(options.dataset, data_dir_of(options))
    print(", ".join(f"{key} {value}" for key, value in found.items()))
    if options.report:
        write_json(options.report, found)
