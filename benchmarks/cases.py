"""The measured networks, the target factors on them, and the number of rounds."""

import json
from dataclasses import dataclass

import numpy as np

from lgn.methods import Estimator
from lgn.methods._names import shorthands
from lgn.network import LogicNetwork

CLASSES = 10
RING = 8
"""Number of different batches that a run cycles through."""


@dataclass(frozen=True)
class Target:
    """A target: the median of the best of `peers` (names of libraries) is at least `factor` times ours."""

    method: str
    peers: tuple[str, ...]
    factor: float


@dataclass(frozen=True)
class Case:
    """A network that each of `methods` trains on random pixels. rounds: number of turns per implementation."""

    name: str
    depth: int
    width: int
    pixels: int = 3072
    thresholds: int = 3
    batch: int = 128
    device: str = "cpu"
    threads: int = 1
    rounds: int = 11
    targets: tuple[Target, ...] = ()
    methods: tuple[str, ...] = ("glgn", "dlgn")

    @property
    def inputs(self) -> int:
        return self.pixels * self.thresholds

    @property
    def gates(self) -> int:
        return self.depth * self.width


TORCHLOGIX, SIXTEEN_GATES = ("torchlogix",), ("sixteen_gates",)

SEAM = ("light_sigmoid", "walsh_hard", "cage")
"""Methods whose step is not fused: torch on the parameters, kernels on the batch. torchlogix has the first two."""

SPEED_CASES = (
    Case(
        "depth 6, width 8,000",
        depth=6,
        width=8000,
        targets=(
            Target("glgn", TORCHLOGIX, 18),
            Target("glgn", SIXTEEN_GATES, 50),
            Target("dlgn", TORCHLOGIX, 8),
        ),
    ),
    Case(
        "depth 12, width 16,000",
        depth=12,
        width=16_000,
        rounds=7,
        targets=(Target("glgn", TORCHLOGIX, 20), Target("dlgn", TORCHLOGIX, 7)),
    ),
    Case("depth 4, width 64,000", depth=4, width=64_000, rounds=5, targets=(Target("glgn", TORCHLOGIX, 30),)),
    Case("depth 12, width 500", depth=12, width=500, pixels=64, thresholds=8, batch=64),
    Case(
        "other methods, depth 12, width 16,000",
        depth=12,
        width=16_000,
        rounds=7,
        targets=(Target("light_sigmoid", TORCHLOGIX, 5), Target("walsh_hard", TORCHLOGIX, 5)),
        methods=SEAM,
    ),
    Case(
        "other methods, depth 12, width 500",
        depth=12,
        width=500,
        pixels=64,
        thresholds=8,
        batch=64,
        methods=SEAM,
    ),
    Case("GPU, depth 12, width 256,000", depth=12, width=256_000, device="cuda", rounds=7),
    Case("GPU, depth 12, width 500", depth=12, width=500, pixels=64, thresholds=8, batch=64, device="cuda"),
)
"""Cases on a GPU run only if there is one."""

QUICK_CASES = (
    Case("quick, depth 4, width 2,000", depth=4, width=2000, pixels=1024, rounds=5),
    Case("quick, depth 12, width 500", depth=12, width=500, pixels=64, thresholds=8, batch=64, rounds=5),
    Case("quick, other methods, depth 4, width 500", depth=4, width=500, pixels=64, rounds=5, methods=SEAM),
)


def levels(case: Case) -> np.ndarray:
    """(thresholds, pixels) uint8: equally spaced, as for pixels of 0 to 255."""
    steps = 255 * np.arange(1, case.thresholds + 1) // (case.thresholds + 1)
    return np.repeat(steps[:, None], case.pixels, axis=1).astype(np.uint8)


def random_batches(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """RING times pixels (batch, pixels) uint8 and labels (batch,) int64."""
    generator = np.random.default_rng(0)
    return [
        (
            generator.integers(0, 256, (case.batch, case.pixels), dtype=np.uint8),
            generator.integers(0, CLASSES, case.batch),
        )
        for _ in range(RING)
    ]


def build_network(case: Case, method: str) -> LogicNetwork:
    """The network that every implementation trains: same wiring, same initial parameters, temperature 1."""
    settings = {"temperature": 1.0} | shorthands()[method]
    options = settings.pop("options", None)
    estimator = Estimator(**settings, options=json.dumps(options) if options else "")
    return LogicNetwork(
        inputs=case.inputs, classes=CLASSES, depth=case.depth, width=case.width, wiring="random", init="gaussian",
        init_scale=1.0, init_bias=0.0, group_temperature=30.0, estimator=estimator, seed=0,
    )  # fmt: skip
