"""Trainings that are asked to end."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """A training was asked to end and did. signal: the number of what asked.

    No Exception, as KeyboardInterrupt is none: a signal may come while Numba compiles, which catches those.
    """

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
