"""This package's engines. A step begins with bytes, so it includes the encoding; the others get float bits."""

import itertools

from benchmarks.cases import Case, build_network, levels, random_batches
from benchmarks.measure import Step
from lgn.kernels import Engine, make_engine
from lgn.methods import OptimizerSettings


def build_engine(case: Case, method: str, backend: str) -> Engine:
    return make_engine(
        build_network(case, method), levels(case), OptimizerSettings(0.01), backend, case.device, case.threads
    )


def build(case: Case, method: str, backend: str = "numba") -> Step:
    engine = build_engine(case, method, backend)
    batches = itertools.cycle(random_batches(case))
    return lambda: engine.step(*next(batches))
