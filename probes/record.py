"""The probes of a stored record, with settings that suit a network of a few thousand gates."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from circuits import cost, use
from lgn.errors import LgnError
from lgn.network import LogicNetwork
from lgn.prepare import build_network
from lgn.records import read_snapshots
from lgn.restore import Trained, restore
from lgn.run import Run
from probes import class_gates, hessian, lemma, perturbation, surface
from probes.common import Row, Splits, copy_network, set_logits

LEMMA_TEMPERATURES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""From temperatures of training to temperatures at which the expansion must hold."""

TRAINING: dict[str, Any] = {"split": "train", "images": 100}
TESTING: dict[str, Any] = {"split": "test", "images": 10_000}
PLANE_IMAGES = 2_000
EXACT_WIDTH = 4_000
"""Largest width for the exact trace, which takes depth * width^2 numbers per image."""

PAPER_VECTORS = 200
"""Rademacher vectors of the paper's Fig. 7."""


@dataclass(frozen=True)
class Probe:
    """One probe: its function, and when it measures: at the "end" of training, both "ends", or "all" snapshots too."""

    measure: Callable[..., list[Row]]
    moments: str = "end"


def _hessians(network: LogicNetwork, splits: Splits, thresholds) -> list[Row]:
    """The traces of the training loss and of the noise-averaged loss, at the network's temperature.

    The first is estimated as in the paper, with enough vectors for an error of 5%. For small widths it is also exact.
    """
    measure = partial(
        hessian.run, network, splits, thresholds, **TRAINING, temperatures=[network.estimator.temperature]
    )
    exact = measure() if network.width <= EXACT_WIDTH else []
    estimated = measure(estimator="hutchinson", relative_error=0.05, max_samples=PAPER_VECTORS)
    averaged = measure(estimator="per_image", noise="gumbel", relative_error=0.1, max_samples=40)
    return exact + estimated + averaged


def _plane(network: LogicNetwork, splits: Splits, thresholds) -> list[Row]:
    return surface.run_plane(
        network, splits, thresholds, split="test", images=PLANE_IMAGES, extent=1.0, points=21
    )


PROBES: dict[str, Probe] = {
    "hessian": Probe(_hessians, "all"),
    "lemma": Probe(partial(lemma.run, **TRAINING, temperatures=LEMMA_TEMPERATURES, draws=60), "ends"),
    "plane": Probe(_plane),
    "noise": Probe(
        partial(perturbation.run_noise, **TESTING, scales=(0.3, 1.0, 2.0, 3.0, 5.0, 10.0), draws=5)
    ),
    "layers": Probe(partial(perturbation.run_layers, **TESTING)),
    "class_gates": Probe(partial(class_gates.run, split="test")),
    "use": Probe(partial(use.run, split="test")),
    "bypass": Probe(partial(use.run_bypass, split="test")),
    "cost": Probe(partial(cost.run, split="test")),
}
"""Probes of one network; `line`, between two networks, is separate."""


def probe_record(probe: str, directory: Path, data_dir: Path, other: Path | None = None) -> list[Row]:
    """Rows of a probe of a record's weights, each with the iteration of the weights.

    probe: one of PROBES; or line, from the weights of `other` (position 0) to the record's (1), with other_run_id in
    its rows. Raises LgnError for an unknown probe, a damaged record, or networks of different wiring or shape.
    """
    if probe == "line" and other is not None:
        trained, start = restore(directory, data_dir), restore(other, data_dir)
        for end in (trained, start):
            _require_logits(probe, end.run)
        return _line(trained, start)
    if probe not in PROBES or other is not None:
        raise LgnError(
            f"probe: {probe!r} of {'one record' if other is None else 'two records'} is unknown; "
            f"allowed: {', '.join(PROBES)} of one, line of two; gradient before training"
        )
    trained = restore(directory, data_dir)
    _require_logits(probe, trained.run)
    return [
        {"iteration": iteration} | row
        for iteration, network in _networks(trained, directory, PROBES[probe].moments)
        for row in PROBES[probe].measure(network, trained.splits, trained.thresholds)
    ]


def _require_logits(probe: str, run: Run) -> None:
    """Raises LgnError if a probe needs 16 logits and fixed wiring, and the run has others."""
    any_parameters = ("class_gates", "use", "bypass", "cost")
    if run.candidates > 1 and probe not in any_parameters:
        raise LgnError(f"candidates: {run.candidates} with probe {probe}; allowed: 1")
    if run.parametrization != "softmax" and probe not in any_parameters:
        raise LgnError(f"parametrization: {run.parametrization} with probe {probe}; allowed: softmax")


def _networks(trained: Trained, directory: Path, moments: str) -> Iterator[tuple[int, LogicNetwork]]:
    """(iteration, network) at the given moments, in order."""
    if moments == "all":
        network, snapshots = copy_network(trained.network), read_snapshots(directory)
        for iteration, logits in snapshots.items():
            set_logits(network, list(logits))
            network.estimator = trained.run.estimator_at(iteration)
            yield iteration, network
    if moments == "ends" or (moments == "all" and not snapshots):
        yield 0, build_network(trained.run, trained.network.inputs)
    yield int(trained.network.iteration), trained.network


def _line(trained: Trained, other: Trained) -> list[Row]:
    if other.run.dataset_label != trained.run.dataset_label:
        raise LgnError(
            f"dataset: {other.run.dataset} at the line's other end; allowed: {trained.run.dataset}, the record's"
        )
    rows = surface.run_line(
        other.network, trained.network, trained.splits, trained.thresholds, split="test", images=PLANE_IMAGES, points=41
    )  # fmt: skip
    common = {"iteration": int(trained.network.iteration), "other_run_id": other.run.run_id}
    return [common | row for row in rows]
