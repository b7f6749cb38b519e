"""Progress of a training: a bar on a terminal, sparse lines in a log."""

import math
import sys
import time

from tqdm import tqdm


class Progress:
    """Shows loss, discrete test accuracy and time left; called by training.train (see training.Progress)."""

    LINE_SECONDS = 30.0

    def __init__(self, label: str, iterations: int):
        self.label, self.iterations = label, iterations
        self.bar = tqdm(
            total=iterations, desc=label, unit="it", disable=not sys.stderr.isatty(), dynamic_ncols=True
        )
        self.started, self.first, self.printed = time.monotonic(), None, -self.LINE_SECONDS

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
    """Four digits; "-" where there is nothing yet, as of the loss before the first step."""
    return "-" if math.isnan(value) else f"{value:.4f}"
