"""Progress of a training as a bar or as lines, and signals that ask it to end."""

import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lgn.stopping import StopRequest


class ProgressBar:
    """Shows loss, discrete test accuracy and remaining time; see train.Progress."""

    LINE_SECONDS = 30.0

    def __init__(self, label: str, iterations: int):
        from tqdm import tqdm

        self.label, self.iterations = label, iterations
        self.bar = tqdm(
            total=iterations, desc=label, unit="it", disable=not sys.stderr.isatty(), dynamic_ncols=True
        )
        self.started, self.printed = time.monotonic(), -self.LINE_SECONDS
        self.first: int | None = None

    def __call__(self, iteration: int, row: dict[str, float] | None) -> None:
        if self.first is None:
            self.first = iteration
            self.bar.initial = self.bar.n = iteration
        self.bar.update(iteration - self.bar.n)
        if row is None:
            return
        state = {"loss": _shown(row["loss"]), "discrete": _shown(row["test_accuracy_discrete"])}
        self.bar.set_postfix(state)
        elapsed = time.monotonic() - self.started
        last = iteration == self.iterations
        if self.bar.disable and (last or elapsed - self.printed >= self.LINE_SECONDS):
            self.printed = elapsed
            done = iteration - self.first
            left = f"{elapsed / done * (self.iterations - iteration):.0f} s left" if done else "starting"
            text = ", ".join(f"{name} {value}" for name, value in state.items())
            print(
                f"{self.label}: iteration {iteration}/{self.iterations}, {text}, {left}",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        self.bar.close()


def _shown(value: float) -> str:
    """Four digits; "-" for NaN, such as the loss before the first step."""
    return "-" if math.isnan(value) else f"{value:.4f}"


@contextmanager
def stop_on_signals(seconds: float = 0.0) -> Iterator[StopRequest]:
    """Context in which SIGTERM (schedulers, time limits) and SIGINT (Ctrl-C) set a StopRequest.

    So does SIGALRM, which is sent after `seconds` unless they are 0.
    """
    request = StopRequest()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = {number: signal.signal(number, request.ask) for number in numbers}
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield request
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
