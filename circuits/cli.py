"""The commands for circuits: lgn predict | export | import | prove."""

import csv
import io
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from lgn.cli import add_data_dir, data_dir_of
from lgn.errors import LgnError
from lgn.files import given_path

DIFFERENT = 1
"""Exit status of `lgn prove` if a check fails."""


def add_commands(commands) -> None:
    """Adds this module's commands to the subparsers of `lgn`."""
    predict = commands.add_parser("predict", help="print the class of each image in a .npy file")
    predict.add_argument("record", type=given_path, help="directory of a record")
    predict.add_argument(
        "images", type=given_path, help=".npy file of (n, pixels) or (n, channels, rows, columns) uint8"
    )
    add_data_dir(predict)
    predict.set_defaults(command=_predict)

    export = commands.add_parser("export", help="write a trained net as a circuit from pixels to the class")
    export.add_argument("record", type=given_path, help="directory of a record")
    export.add_argument(
        "--format", default="verilog", help="verilog, blif, aiger, c, dot or torchlogix (default: verilog)"
    )
    export.add_argument("--output", type=given_path, required=True, help="file to write")
    export.add_argument(
        "--stages",
        type=int,
        default=0,
        help="for verilog: insert registers after this many levels of gates (default: none)",
    )
    add_data_dir(export)
    export.set_defaults(command=_export)

    imported = commands.add_parser(
        "import", help="make a record of a net that difflogic or torchlogix trained"
    )
    imported.add_argument("file", type=given_path, help="torch file with the layers' weights and indices")
    imported.add_argument(
        "settings", nargs="+", metavar="key=value", help="dataset, thresholds and other settings of a run"
    )
    imported.add_argument("--output", type=given_path, required=True, help="directory of the record")
    add_data_dir(imported)
    imported.set_defaults(command=_import, several="settings")

    prove = commands.add_parser(
        "prove",
        help="check with iverilog or verilator, gcc, ABC and yosys that the exported files equal the net",
    )
    prove.add_argument("record", type=given_path, help="directory of a record")
    prove.add_argument(
        "--output", type=given_path, help="an empty folder for the files (default: files are not kept)"
    )
    prove.add_argument(
        "--simulated",
        type=int,
        help="number of test images for iverilog or verilator, the slowest check (default: all)",
    )
    prove.add_argument(
        "--table", type=given_path, help="also write the outcome to this CSV file (default: none)"
    )
    add_data_dir(prove)
    prove.set_defaults(command=_prove)


def _predict(options) -> None:
    import numpy as np

    from lgn.kernels.discrete import DiscreteNetwork
    from lgn.restore import restore

    trained = restore(options.record, data_dir_of(options))
    try:
        images = np.load(options.images, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise LgnError(f"{options.images}: cannot be read as .npy ({error})") from None
    net = DiscreteNetwork(trained.network, trained.thresholds)
    print("\n".join(map(str, net.predict(images.reshape(len(images), -1)))))


def _export(options) -> None:
    from circuits.classifier import classifier
    from circuits.export import verilog, written
    from circuits.foreign import torchlogix_state
    from lgn.files import require_ours, write_bytes
    from lgn.restore import restore

    trained = restore(options.record, data_dir_of(options))
    if options.format == "torchlogix" and not options.stages:
        content = torchlogix_state(trained.network)
        require_ours(options.output, content[:2].decode())
        write_bytes(options.output, content)
        return
    netlist, header = classifier(trained.network, trained.thresholds), _header(options.record)
    if options.stages < 0 or (options.stages and options.format != "verilog"):
        raise LgnError(
            f"stages: {options.stages} with format {options.format}; allowed: above 0, with verilog"
        )
    content = (
        verilog(netlist, header, options.stages).encode()
        if options.stages
        else written(netlist, options.format, header)
    )
    require_ours(options.output, content[:5].decode())
    write_bytes(options.output, content)
    print(f"{options.output}: {len(netlist.gates)} gates, {netlist.depth()} deep, pixels and counts included")


def _import(options) -> None:
    from circuits.foreign import import_record
    from lgn.settings import parse_settings

    record = import_record(
        options.file, parse_settings(options.settings), options.output, data_dir_of(options)
    )
    accuracy = record["final"]["test_accuracy_discrete"]
    print(f"{options.output}: imported from {options.file.name}, discrete test accuracy {accuracy:.4f}")


def _header(record: Path) -> str:
    from lgn.records import read_run

    run = read_run(record)
    accuracy = run["final"]["test_accuracy_discrete"]
    return f"{run['run_id']}\nweights {run['files']['weights.safetensors']}\ndiscrete test accuracy {accuracy:.4f}"


def _prove(options) -> int:
    from circuits.classifier import classifier
    from circuits.prove import prove
    from lgn.files import require_ours, write_bytes
    from lgn.restore import restore

    if options.table:
        require_ours(options.table, "tool,")
    if options.output and options.output.exists() and any(options.output.iterdir()):
        raise LgnError(f"{options.output}: holds files; allowed: a folder that is empty or not there")
    if options.simulated is not None and options.simulated < 1:
        raise LgnError(f"--simulated: {options.simulated}; allowed: 1 to all of the test images")
    trained, status, rows = restore(options.record, data_dir_of(options)), 0, []
    netlist = classifier(trained.network, trained.thresholds)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.output or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        started = _processor_seconds()
        for check in prove(trained, netlist, folder, _header(options.record), options.simulated):
            seconds, started = (now := _processor_seconds()) - started, now
            said = {True: "agrees", False: "DIFFERS", None: "not checked"}[check.agrees]
            by = f" ({check.by}, {seconds:.0f} s)" if check.by else ""
            print(f"{check.tool}: {said}: {check.details}{by}", flush=True)
            rows.append(asdict(check) | {"gates": len(netlist.gates), "seconds": round(seconds, 1)})
            status = DIFFERENT if check.agrees is False else status
    if options.table:
        write_bytes(options.table, csv_text(rows).encode())
    return status


def _processor_seconds() -> float:
    """Processor time so far, of this process and of the tools that it ran."""
    return sum(os.times()[:4])


def csv_text(rows: list[dict]) -> str:
    """Rows with equal keys as CSV, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
