"""Small record folders for the analysis tests: written by lgn.records in the real format, with made-up learning curves.

The curves are logistic in log(iteration); what is made up stays in the tests' own temporary folders.
"""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lgn import RECORD_VERSION, metrics, records
from lgn.files import sha256
from lgn.gates import GATES, NAMES
from lgn.methods import METHODS
from lgn.run import parse_run

BASE = {
    "dataset": "digits",
    "thresholds": 4,
    "validation_share": 0.0,
    "depth": 3,
    "width": 20,
    "group_temperature": 5.0,
    "iterations": 10_000,
    "evaluations": 24,
}
ENVIRONMENT = {
    "lgn": "0",
    "processor": "abacus",
    "threads": 1,
    "backend": "numba",
    "device": "cpu",
    "cores": 2,
}

# method -> (iterations until it learns, final discrete accuracy, gap at the end, entropy at the end / at the start)
SHAPES = {
    "dlgn": (1000, 0.90, 0.03, 0.9),
    "glgn": (200, 0.93, 0.0005, 0.1),
    "gumbel_soft": (400, 0.91, 0.02, 0.4),
    "hard_st": (600, 0.88, 0.0, 0.5),
}


def write_run(
    runs: Path, method: str, seed: int, *, shape=None, changes=None, gradient=None, **settings
) -> Path:
    """Writes one record below a folder `runs` and returns its directory.

    settings: keys of the run beside BASE and the method's. shape: as in SHAPES. changes: keys of run.json to override.
    gradient: (depth,) root mean square of each layer's gradient, the same in all rows; without it none is recorded.
    """
    keys = METHODS.get(method, {}) | {"temperature": METHODS.get(method, {}).get("temperature", 0.25)}
    run = parse_run(BASE | keys | settings | {"seed": seed})
    generator = np.random.default_rng([seed, len(method), round(1000 * run.temperature), run.depth])
    takeoff, final, gap, sharpness = shape or SHAPES.get(run.method, (300, 0.9, 0.01, 0.3))
    initial = 2.4 + 0.1 * generator.standard_normal((run.depth, run.width)).clip(-3, 3)
    threshold = metrics.unused_threshold()
    rows = []
    for iteration in metrics.evaluation_schedule(run.iterations, run.evaluations):
        learnt = 1 / (1 + (takeoff / max(iteration, 1e-9)) ** 3) if iteration else 0.0
        layers = 1 - (1 - sharpness) * learnt * np.linspace(0.9, 1.1, run.depth)[:, None].clip(max=1)
        discrete = 0.1 + (final - 0.1) * learnt + 0.004 * generator.standard_normal() * learnt
        rows.append(_row(int(iteration), discrete, gap * learnt, initial * layers, threshold, seed))
    for row in rows if gradient is not None else ():
        squares = [np.full((run.width, GATES), (rms if row["iteration"] else 0) ** 2) for rms in gradient]
        # So many steps that the moment's bias is past: its correction is 1.
        row |= metrics.gradient_columns(
            squares, 10**6 if row["iteration"] else 0, run.optimizer_settings, run.depth
        )
    rows[0] |= {"loss": math.nan, "gate_change_share": math.nan}
    record = {
        "run_id": run.run_id,
        "method": run.method,
        "record_version": RECORD_VERSION,
        "training_semantics": 1,
        "settings": run.model_dump(),
        "environment": ENVIRONMENT,
        "data_sha256": "d" * 64,
        "inputs": 256,
        "unused_threshold": threshold,
        "status": "completed",
        "final": rows[-1],
    } | (changes or {})
    gates = {
        "counts": generator.multinomial(run.width, np.full(16, 1 / 16), size=run.depth).astype(np.int64),
        "entropies": (initial * layers).astype(np.float32),
        "initial_entropies": initial.astype(np.float32),
    }
    directory = runs / run.run_id
    directory.mkdir(parents=True)
    records.write_record(
        directory, record, rows, gates, {"iteration": torch.zeros((), dtype=torch.int64)}, {}
    )
    return directory


def reseal(directory: Path) -> None:
    """Has run.json name the files as they are now, after a test changed them."""
    path = directory / "run.json"
    run = json.loads(path.read_text())
    run["files"] = {name: sha256((directory / name).read_bytes()) for name in run["files"]}
    path.write_text(json.dumps(run))


def _row(
    iteration: int, discrete: float, gap: float, entropies: np.ndarray, threshold: float, seed: int
) -> dict:
    row = {
        "iteration": iteration,
        "training_seconds": iteration * (0.001 + 0.0001 * seed),
        "elapsed_seconds": iteration * 0.002,
        "loss": 2.3 - 2 * discrete,
    }
    modes = {"discrete": discrete, "soft": discrete + gap, "train_mode": discrete + gap}
    for split in ("train", "validation", "test"):
        row |= {f"{split}_accuracy_{m}": math.nan if split == "validation" else v for m, v in modes.items()}
    row |= {"discretization_gap": gap, "soft_discretization_gap": gap}
    return row | metrics.entropy_columns(entropies, threshold) | {"gate_change_share": 0.1}


def write_study(runs: Path, seeds=(0, 1, 2)) -> None:
    """The four methods at two depths, three temperatures, a second noise: something for every figure."""
    for seed in seeds:
        for depth in (2, 3):
            for method in METHODS:
                write_run(runs, method, seed, depth=depth)
        for temperature in (0.05, 1.0):
            write_run(runs, "glgn", seed, temperature=temperature, shape=(900, 0.8, 0.001, 0.2))
        write_run(runs, "", seed, noise="uniform", straight_through=True, temperature=0.25)


def write_probes(results: Path, depth: int = 3) -> None:
    """Made-up tables of every probe of a collected study's runs of one depth: functions of seed, temperature, place."""
    runs = pd.read_csv(results / "runs.csv").query("depth == @depth")
    tables: dict[str, list[dict]] = {
        name: [] for name in ("hessian", "lemma", "plane", "line", "noise", "layers", "class_gates", "use")
    }
    dlgn = runs[runs["method"] == "dlgn"].set_index("seed")["run_id"]
    for _, run in runs.iterrows():
        seed, temperature = run["seed"], run["temperature"]
        last = {"run_id": run["run_id"], "iteration": run["iterations"]}
        for iteration, noise in itertools.product((0, 10, 1000, 10_000), ("none", "gumbel")):
            tables["hessian"].append(
                last | {"iteration": iteration, "temperature": temperature, "noise": noise, "images": 100}
                | {"estimator": "exact" if noise == "none" else "per_image"}
                | {"trace": (temperature - 0.5) * (1 + seed) + iteration / 1e5}
                | {"standard_error": 0.0 if noise == "none" else 0.01 * (1 + seed)}
            )  # fmt: skip
        for iteration, t in itertools.product((0, run["iterations"]), (0.1, 1.0, 10.0, 100.0)):
            error = (1 + seed) / t**3
            tables["lemma"].append(
                last | {"iteration": iteration, "temperature": t, "trace_term": (1 + seed) / t**2}
                | {"error": error, "error_standard_error": 0.1 * error}
            )  # fmt: skip
        for x, y in itertools.product(np.linspace(-1, 1, 9), repeat=2):
            tables["plane"].append(last | {"x": x, "y": y, "loss": 0.5 + 0.1 * seed + 0.3 * (x * x + y * y)})
        for position in np.linspace(0, 1, 5) if run["method"] != "dlgn" else ():
            values = {"loss": 0.5 + position + 0.1 * seed, "discrete_accuracy": 0.9 - 0.1 * position}
            tables["line"].append(last | {"other_run_id": dlgn[seed], "position": position} | values)
        for scale, draw in itertools.product((0.3, 1.0, 10.0), range(seed + 1)):
            accuracy = 0.9 / (1 + scale) - 0.01 * draw
            tables["noise"].append(last | {"scale": scale, "draw": draw, "discrete_accuracy": accuracy})
        for end, layers in itertools.product(("first", "last"), range(depth + 1)):
            lost = layers * (0.02 if end == "first" else 0.01)
            tables["layers"].append(
                last | {"discretised": end, "layers": layers, "accuracy": 0.9 - lost - 0.01 * seed}
            )
        for layer, label, gate in itertools.product((1, depth), (0, 1), range(GATES)):
            weight = gate + (1 + seed) * label * (gate == 1)
            tables["class_gates"].append(
                last | {"layer": layer, "class": label, "gate": NAMES[gate], "neurons": 1, "weight": weight}
            )
        counts = {"neurons": 60, "unused": 6 * seed, "not_silent": 40 - seed, "after_constants": 30 + seed}
        counts |= {"reaching_an_output": 50, "after_sharing": 20 - seed, "after_synthesis": None}
        tables["use"].append(last | counts)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(results / f"probe_{name}.csv", index=False)
