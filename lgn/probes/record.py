"""The probes of a stored record, each at the extent that suits a network of a few thousand gates."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from lgn.errors import LgnError
from lgn.probes import class_gates, hessian, lemma, perturbation, surface
from lgn.probes.common import Row
from lgn.training import restore

TEMPERATURES = (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0)
"""The paper's nine (Table 1)."""

TRAINING = {"split": "train", "images": 300}
TESTING = {"split": "test", "images": 10_000}

PROBES: dict[str, Callable[..., list[Row]]] = {
    "hessian": partial(hessian.run, **TRAINING, temperatures=TEMPERATURES),
    "lemma": partial(lemma.run, **TRAINING, temperatures=(*TEMPERATURES, 4.0, 8.0, 16.0, 32.0), draws=100),
    "plane": partial(surface.run_plane, **TESTING, extent=1.0, points=21),
    "noise": partial(perturbation.run_noise, **TESTING, scales=(0.3, 1.0, 3.0, 10.0), draws=5),
    "layers": partial(perturbation.run_layers, **TESTING),
    "class_gates": partial(class_gates.run, split="test"),
}


def probe_record(probe: str, directory: Path, data_dir: Path) -> list[Row]:
    """Rows of one of PROBES on a record's stored weights. Raises LgnError for an unknown probe or a damaged record."""
    if probe not in PROBES:
        raise LgnError(f"probe: {probe!r} is unknown; allowed: {', '.join(PROBES)}")
    trained = restore(directory, data_dir)
    return PROBES[probe](trained.network, trained.splits, trained.thresholds)
