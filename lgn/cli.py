"""The command line: lgn train | pieces | evaluate | verify | probe | fetch | design | keys. Each is a library call."""

import argparse
import csv
import io
import math
import os
import sys
from pathlib import Path

from lgn.errors import LgnError
from lgn.folders import given_path
from lgn.stopping import Stopped, stop_on_signals

DIVERGED = 3
"""Exit status of a training whose loss, logits or gradients became NaN or infinite."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; wrong input prints one line on standard error and returns 2."""
    # Spinning OpenMP threads starve the other runs on the machine; must be set before torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        options = _parse(arguments)
        status = options.command(options) or 0
        sys.stdout.flush()
        return status
    except LgnError as error:
        print(f"lgn: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        # Torch's, by its name, since torch is loaded only by commands that compute.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        print(f"lgn: out of memory on the device: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        print(f"lgn: stopped, {stopped}; the same command goes on from there", file=sys.stderr)
        return 128 + stopped.signal
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone, as `head` does; nothing more can be said to it, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of a command. What it takes several of may stand before and after its options alike."""
    parser = _parser()
    options, left = parser.parse_known_args(arguments)
    if left and (not hasattr(options, "several") or any(text.startswith("-") for text in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        vars(options)[options.several] += left
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lgn", description="Train and evaluate logic gate networks.")
    commands = parser.add_subparsers(required=True, metavar="command")

    train = commands.add_parser("train", help="train one run, or one for each seed of seed=0,1,2")
    train.add_argument(
        "settings", nargs="+", metavar="key=value", help="the run's settings (see config/README.md)"
    )
    train.add_argument(
        "--output",
        type=given_path,
        required=True,
        help="directory of the record; of several, one is made in it for each",
    )
    _add_execution(train)
    train.add_argument(
        "--snapshots", type=int, default=0, help="how often before the end to store the logits, for probes"
    )
    there = train.add_mutually_exclusive_group()
    there.add_argument("--again", action="store_true", help="train anew what has a record, and replace it")
    there.add_argument(
        "--continue-from",
        type=given_path,
        metavar="record",
        help="go on from the end of a shorter run that was told to --keep-checkpoint",
    )
    train.add_argument(
        "--keep-checkpoint",
        action="store_true",
        help="keep the state of the last iteration beside the record, for a longer run to --continue-from",
    )
    train.add_argument(
        "--accept-diverged",
        action="store_true",
        help=f"a run whose loss became NaN has a record; without this the exit status is {DIVERGED} then",
    )
    _add_data_dir(train)
    train.set_defaults(command=_train, several="settings")

    pieces = commands.add_parser(
        "pieces", help="train a preset run after run, for so long; the same command goes on (exit status 142)"
    )
    pieces.add_argument("preset", type=given_path, help="YAML file, such as config/paper.yaml")
    pieces.add_argument("--seconds", type=float, required=True, help="until the last checkpoint is begun")
    _add_data_dir(pieces)
    pieces.set_defaults(command=_pieces)

    evaluate = commands.add_parser("evaluate", help="evaluate the stored weights of a run anew")
    evaluate.add_argument("record", type=given_path, help="directory of a record")
    _add_execution(evaluate)
    _add_data_dir(evaluate)
    evaluate.set_defaults(command=_evaluate)

    verify = commands.add_parser("verify", help="does this machine give what stored records say?")
    verify.add_argument(
        "records",
        nargs="*",
        help="directories of records to train anew (default: those of the repository, about ten seconds)",
    )
    _add_execution(verify)
    _add_data_dir(verify)
    verify.set_defaults(command=_verify, several="records")

    probe = commands.add_parser(
        "probe", help="print measurements of a record's weights, or of a net before training, as CSV"
    )
    probe.add_argument(
        "probe", help="hessian, lemma, plane, line, noise, layers or class_gates; gradient, before training"
    )
    probe.add_argument(
        "of",
        nargs="+",
        metavar="record",
        help="directory of a record, of two for a line; for gradient a record's or key=value ..., where method and "
        "iterations need not be given",
    )
    probe.add_argument(
        "--like",
        nargs="+",
        metavar="key=value",
        help="for gradient: another net (or record) of that depth; prints the epsilon that gives DLGN its ratios",
    )
    probe.add_argument("--output", type=given_path, help="write the CSV to this file")
    _add_data_dir(probe)
    probe.set_defaults(command=_probe, several="of")

    fetch = commands.add_parser("fetch", help="download a data set into the data folder, checked")
    fetch.add_argument("dataset")
    fetch.add_argument(
        "--report", type=given_path, default=None, help="write what was found to this JSON file"
    )
    _add_data_dir(fetch)
    fetch.set_defaults(command=_fetch)

    design = commands.add_parser("design", help="print the runs of a preset as CSV")
    design.add_argument("preset", type=given_path, help="YAML file, such as config/default.yaml")
    design.set_defaults(command=_design)

    keys = commands.add_parser("keys", help="print config/README.md, made from the typed model")
    keys.set_defaults(command=_keys)
    return parser


def _add_execution(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)


def _execution(options: argparse.Namespace):
    from lgn.config import parse_execution

    names = ("backend", "device", "threads", "snapshots")
    return parse_execution({name: value for name, value in vars(options).items() if name in names}, "lgn")


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        type=given_path,
        default=None,
        help="folder of the data files (default: LGN_DATA, or data)",
    )


def _data_dir(options: argparse.Namespace) -> Path:
    from lgn.data import default_data_dir

    return options.data_dir or default_data_dir()


def parse_settings(pairs: list[str]) -> dict[str, object]:
    """key=value strings to a mapping, values as in YAML. Raises LgnError where `=` is missing or a key stands twice."""
    from lgn.yaml_files import parse_yaml

    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise LgnError(f"{pair!r}: is not a setting; allowed: key=value")
        if key in settings:
            raise LgnError(f"{key}: is given twice")
        try:
            settings[key] = parse_yaml(value)
        except LgnError as error:
            raise LgnError(f"{key}: {error}") from None
        except ValueError:
            raise LgnError(f"{key}: {value!r} is not a value; allowed: a YAML scalar") from None
    return settings


def _train(options: argparse.Namespace) -> int:
    from lgn.continuation import KEPT
    from lgn.seeds import train_seeds

    runs = parse_runs(parse_settings(options.settings), options.output)
    execution = _execution(options)
    if options.continue_from:
        _continue(options.continue_from, runs, execution)
    there = {path for path in runs if (path / "run.json").exists() and not options.again}
    keep = KEPT if options.keep_checkpoint else None
    bars = []

    def progress(run):
        bar = _bar(run)
        bars.append(bar)  # of several threads: the last need not be this one
        return bar

    try:
        with stop_on_signals() as stop:
            records = train_seeds(runs, _data_dir(options), execution, progress, stop, options.again, keep)
    finally:
        for bar in bars:
            bar.close()
    for path, record in zip(runs, records, strict=True):
        _print_result(
            record, " (trained before, nothing done; --again trains it anew)" if path in there else ""
        )
    diverged = [record["run_id"] for record in records if record["status"] == "diverged"]
    for run_id in diverged:
        print(
            f"lgn: {run_id}: its loss, logits or gradients became NaN or infinite; its record says so",
            file=sys.stderr,
        )
    return DIVERGED if diverged and not options.accept_diverged else 0


def _continue(source: Path, runs: dict, execution) -> None:
    from lgn.continuation import continue_from

    if len(runs) > 1:
        raise LgnError(f"--continue-from: {source} for {len(runs)} seeds; allowed: one seed a call")
    for directory, run in runs.items():
        continue_from(source, run, directory, execution)


def _bar(run):
    from lgn.methods import method_label
    from lgn.progress import Progress

    scale = f"{run.dataset} {run.depth} x {run.width} tau {run.temperature:g} seed {run.seed}"
    return Progress(f"{method_label(run.method)} {scale}", run.iterations)


def _print_result(record: dict, remark: str = "") -> None:
    final = record["final"]
    print(
        f"{record['run_id']}: {record['status']} after {final['iteration']} iterations and "
        f"{final['training_seconds']:.1f} s of training, "
        f"discrete test accuracy {final['test_accuracy_discrete']:.4f}{remark}",
        flush=True,
    )


def _pieces(options: argparse.Namespace) -> None:
    from lgn.config import expand, read_preset
    from lgn.pieces import train_remaining

    if not 0 < options.seconds < 1e9:
        raise LgnError(f"seconds: {options.seconds:g}; allowed: above 0, below 1e9")
    preset = read_preset(options.preset)
    runs = Path(preset.results_dir) / preset.preset / "runs"
    with stop_on_signals(options.seconds) as stop:
        for record in train_remaining(preset, runs, _preset_data_dir(preset, options), stop, _bar):
            _print_result(record)
    print(f"all {len(expand(preset))} runs of {preset.preset} have a record in {runs}")


def _preset_data_dir(preset, options: argparse.Namespace) -> Path:
    return options.data_dir or (Path(preset.data_dir) if preset.data_dir else _data_dir(options))


def parse_runs(settings: dict[str, object], output: Path) -> dict:
    """directory -> run; where `seed` is a list such as 0,1,2 a run for each, in directories named by their ids."""
    from lgn.config import parse_run
    from lgn.methods import spell_out_method

    settings = spell_out_method(settings, "lgn train")
    seeds = settings.get("seed")
    if not isinstance(seeds, str) or "," not in seeds:
        return {output: parse_run(settings, "lgn train")}
    several = [parse_settings([f"seed={seed}"])["seed"] for seed in seeds.strip(",").split(",")]
    if any(several.count(seed) > 1 for seed in several):
        raise LgnError(f"lgn train: seed: {seeds!r} names one twice; allowed: different seeds")
    runs = [parse_run(settings | {"seed": seed}, "lgn train") for seed in several]
    return {output / run.run_id: run for run in runs}


def _evaluate(options: argparse.Namespace) -> None:
    from lgn.training import evaluate_record

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("column", "recorded", "now"))
    for column, (recorded, now) in evaluate_record(
        options.record, _data_dir(options), _execution(options)
    ).items():
        writer.writerow((column, recorded, "" if math.isnan(now) else f"{now:.7g}"))


def _verify(options: argparse.Namespace) -> int:
    from lgn.verification import DIFFERENT, reference_records, verify

    execution, differ = _execution(options), False
    for directory in map(given_path, options.records) if options.records else reference_records():
        verdict = verify(directory, _data_dir(options), execution)
        print(f"{verdict.run_id}: {verdict.level}: {verdict.details}", flush=True)
        differ |= verdict.level == DIFFERENT
    return 1 if differ else 0


def _probe(options: argparse.Namespace) -> None:
    import torch

    from lgn.outputs import require_ours
    from lgn.storage import write_bytes

    torch.set_num_threads(1)
    if options.output:
        first = "layer," if options.like else "method," if options.probe == "gradient" else "iteration,"
        require_ours(options.output, first)
    rows = _gradient_rows(options) if options.probe == "gradient" else _record_rows(options)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    if options.output:
        write_bytes(options.output, text.getvalue().encode())
    else:
        print(text.getvalue(), end="")


def _record_rows(options: argparse.Namespace) -> list[dict]:
    from lgn.probes.record import probe_record

    if options.like:
        raise LgnError(f"--like: is given to probe {options.probe!r}; allowed: to gradient")
    if len(options.of) > 2:
        raise LgnError(
            f"probe: {options.probe!r} of {len(options.of)} records; allowed: one, or two of a line"
        )
    directory, *other = map(given_path, options.of)
    return probe_record(options.probe, directory, _data_dir(options), *other)


def _gradient_rows(options: argparse.Namespace) -> list[dict]:
    """The rows to print; says on standard error what they mean."""
    from lgn.probes import gradient

    run, data_dir = _net(options.of), _data_dir(options)
    if options.like:
        rows = gradient.probe_like(run, _net(options.like), data_dir)
        sentences = [gradient.median_epsilon(rows)]
    else:
        rows = gradient.probe_methods(run, data_dir)
        sentences = gradient.predictions(rows, run.learning_rate)
    print("\n".join(sentences), file=sys.stderr)
    return [{key: f"{x:.5g}" if isinstance(x, float) else x for key, x in row.items()} for row in rows]


def _net(given: list[str]):
    """The run that settings, or the directory of a record, stand for."""
    from lgn.config import parse_run
    from lgn.probes.gradient import parse_net
    from lgn.records import read_run

    directory = given_path(given[0])
    if len(given) == 1 and (directory.is_dir() or "=" not in given[0]):
        return parse_run(read_run(directory)["settings"], str(directory / "run.json"))
    return parse_net(parse_settings(given), "lgn probe gradient")


def _fetch(options: argparse.Namespace) -> None:
    from lgn.data import describe, fetch
    from lgn.outputs import require_ours
    from lgn.storage import write_json

    if options.report:
        require_ours(options.report, '{\n  "dataset"')
    fetch(options.dataset, _data_dir(options))
    found = describe(options.dataset, _data_dir(options))
    print(", ".join(f"{key} {value}" for key, value in found.items()))
    if options.report:
        write_json(options.report, found)


def _design(options: argparse.Namespace) -> None:
    from lgn.config import Run, expand, read_preset

    runs = expand(read_preset(options.preset))
    writer = csv.DictWriter(sys.stdout, ("run_id", "method", *Run.model_fields), lineterminator="\n")
    writer.writeheader()
    for run in runs:
        writer.writerow({"run_id": run.run_id, "method": run.method, **run.model_dump()})


def _keys(options: argparse.Namespace) -> None:
    from lgn.config_reference import config_reference

    print(config_reference(), end="")


if __name__ == "__main__":
    sys.exit(main())
