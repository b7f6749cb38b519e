"""The commands for runs and presets: lgn train | pieces | verify | design | keys."""

import csv
import sys
from pathlib import Path

from lgn.cli import add_data_dir, add_execution, data_dir_of, execution_of
from lgn.errors import LgnError
from lgn.files import given_path
from lgn.settings import parse_settings
from study.terminal import stop_on_signals

DIVERGED = 3
"""Exit status of a training whose loss, logits or gradients became NaN or infinite."""


def add_commands(commands) -> None:
    """Adds this module's commands to the subparsers of `lgn`."""
    train = commands.add_parser("train", help="train one run, or one run per seed with seed=0,1,2")
    train.add_argument(
        "settings", nargs="+", metavar="key=value", help="the run's settings (see config/README.md)"
    )
    train.add_argument(
        "--output",
        type=given_path,
        required=True,
        help="directory of the record; with several seeds, the parent of one directory per run",
    )
    add_execution(train)
    train.add_argument(
        "--snapshots",
        type=int,
        default=0,
        help="number of times to store the logits before the end, for probes",
    )
    existing = train.add_mutually_exclusive_group()
    existing.add_argument(
        "--again", action="store_true", help="train again where there is a record, and replace it"
    )
    existing.add_argument(
        "--continue-from",
        type=given_path,
        metavar="record",
        help="continue from the end of a shorter run that was trained with --keep-checkpoint",
    )
    train.add_argument(
        "--keep-checkpoint",
        action="store_true",
        help="store the last iteration's state beside the record, so that a longer run can --continue-from it",
    )
    train.add_argument(
        "--accept-diverged",
        action="store_true",
        help=f"exit with status 0, not {DIVERGED}, if a run diverges; its record is written either way",
    )
    add_data_dir(train)
    train.set_defaults(command=_train, several="settings")

    pieces = commands.add_parser(
        "pieces",
        help="train a preset's runs for a limited time; the same command continues (exit status 142)",
    )
    pieces.add_argument("preset", type=given_path, help="YAML file, such as config/paper.yaml")
    pieces.add_argument(
        "--seconds", type=float, required=True, help="time until it writes a checkpoint and stops"
    )
    add_data_dir(pieces)
    pieces.set_defaults(command=_pieces)

    verify = commands.add_parser("verify", help="retrain stored records and compare the results")
    verify.add_argument(
        "records",
        nargs="*",
        help="directories of records to retrain (default: those of the repository, about ten seconds)",
    )
    add_execution(verify)
    add_data_dir(verify)
    verify.set_defaults(command=_verify, several="records")

    design = commands.add_parser("design", help="print the runs of a preset as CSV")
    design.add_argument("preset", type=given_path, help="YAML file, such as config/default.yaml")
    design.set_defaults(command=_design)

    keys = commands.add_parser("keys", help="print config/README.md, generated from the typed model")
    keys.set_defaults(command=_keys)


def _train(options) -> int:
    from study.earlier import KEPT
    from study.seeds import train_seeds

    runs = parse_runs(parse_settings(options.settings), options.output)
    execution = execution_of(options)
    if options.continue_from:
        _continue(options.continue_from, runs, execution)
    there = {path for path in runs if (path / "run.json").exists() and not options.again}
    keep = KEPT if options.keep_checkpoint else None
    bars = []

    def progress(run):
        bar = _bar(run)
        bars.append(bar)  # several threads append, so bars[-1] need not be this one
        return bar

    try:
        with stop_on_signals() as stop:
            records = train_seeds(runs, data_dir_of(options), execution, progress, stop, options.again, keep)
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
    from study.earlier import continue_from

    if len(runs) > 1:
        raise LgnError(f"--continue-from: {source} for {len(runs)} seeds; allowed: one seed a call")
    for directory, run in runs.items():
        continue_from(source, run, directory, execution)


def _bar(run):
    from study.terminal import ProgressBar

    return ProgressBar(_heading(run.method, run.model_dump()), run.iterations)


def _heading(method: str, settings: dict) -> str:
    """What lines about a run begin with: DLGN digits 6 x 500 tau 1 seed 0."""
    from lgn.methods import method_label

    net = "{dataset} {depth} x {width} tau {temperature:g} seed {seed}".format(**settings)
    return f"{method_label(method)} {net}"


def _print_result(record: dict, remark: str = "") -> None:
    final = record["final"]
    print(
        f"{_heading(record['method'], record['settings'])}: {record['status']} after {final['iteration']} iterations "
        f"and {final['training_seconds']:.1f} s of training, "
        f"discrete test accuracy {100 * final['test_accuracy_discrete']:.1f}%{remark}",
        flush=True,
    )


def _pieces(options) -> None:
    from study.pieces import train_remaining
    from study.preset import expand, read_preset

    if not 0 < options.seconds < 1e9:
        raise LgnError(f"seconds: {options.seconds:g}; allowed: above 0, below 1e9")
    preset = read_preset(options.preset)
    runs = Path(preset.results_dir) / preset.preset / "runs"
    with stop_on_signals(options.seconds) as stop:
        for record in train_remaining(preset, runs, _preset_data_dir(preset, options), stop, _bar):
            _print_result(record)
    print(f"all {len(expand(preset))} runs of {preset.preset} have a record in {runs}")


def _preset_data_dir(preset, options) -> Path:
    return options.data_dir or (Path(preset.data_dir) if preset.data_dir else data_dir_of(options))


def parse_runs(settings: dict[str, object], output: Path) -> dict:
    """directory -> run. If `seed` is a list such as 0,1,2: one run per seed, in directories named by run ids."""
    from lgn.methods import spell_out_method
    from lgn.run import parse_run

    settings = spell_out_method(settings, "lgn train")
    seeds = settings.get("seed")
    if not isinstance(seeds, str) or "," not in seeds:
        return {output: parse_run(settings, "lgn train")}
    several = [parse_settings([f"seed={seed}"])["seed"] for seed in seeds.strip(",").split(",")]
    if any(several.count(seed) > 1 for seed in several):
        raise LgnError(f"lgn train: seed: {seeds!r} names one twice; allowed: different seeds")
    runs = [parse_run(settings | {"seed": seed}, "lgn train") for seed in several]
    return {output / run.run_id: run for run in runs}


def _verify(options) -> int:
    from study.verification import DIFFERENT, reference_records, verify

    execution, differ = execution_of(options), False
    for directory in map(given_path, options.records) if options.records else reference_records():
        found = verify(directory, data_dir_of(options), execution)
        print(f"{found.run_id}: {found.level}: {found.details}", flush=True)
        differ |= found.level == DIFFERENT
    return 1 if differ else 0


def _design(options) -> None:
    from lgn.run import Run
    from study.preset import expand, read_preset

    runs = expand(read_preset(options.preset))
    writer = csv.DictWriter(sys.stdout, ("run_id", "method", *Run.model_fields), lineterminator="\n")
    writer.writeheader()
    for run in runs:
        writer.writerow({"run_id": run.run_id, "method": run.method, **run.model_dump()})


def _keys(options) -> None:
    from study.reference import config_reference

    print(config_reference(), end="")
