"""Leaving in good order: a signal asks, a training stores its checkpoint and ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """A training was asked to end and did. signal: the number of what asked."""

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal


class StopRequest:
    """Whether this process was asked to end, and by which signal.

    While nobody watches the request, there is nothing to store and the signal ends the process at once.
    """

    def __init__(self):
        self.signal: int | None = None
        self.watchers: list[object] = []

    def __bool__(self) -> bool:
        return self.signal is not None

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """The handler of a signal. One that comes a second time does not wait."""
        again = self.signal is not None
        self.signal = number
        if again or not self.watchers:
            raise Stopped("nothing was stored since the last checkpoint", number)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """For the time that someone looks at the request at least every few seconds."""
        watcher = object()
        self.watchers.append(watcher)
        try:
            yield
        finally:
            self.watchers.remove(watcher)


@contextmanager
def stop_on_signals(seconds: float = 0.0) -> Iterator[StopRequest]:
    """SIGTERM (schedulers, time limits) and SIGINT (Ctrl-C) become a request while this is entered.

    So does SIGALRM, which comes after so many seconds where they are not 0.
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
