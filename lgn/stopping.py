"""Graceful shutdown: a signal asks a training to write its checkpoint and exit."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """A training was asked to end and did. signal: the signal's number.

    Not an Exception, like KeyboardInterrupt: Numba catches Exceptions while it compiles.
    """

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal


class StopRequest:
    """Whether a signal has asked this process to end, and which.

    While no training watches the request, there is nothing to store, and the signal ends the process at once.
    """

    def __init__(self):
        self.signal: int | None = None
        self.watchers: list[object] = []

    def __bool__(self) -> bool:
        return self.signal is not None

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """Signal handler. A second signal ends the process at once."""
        again = self.signal is not None
        self.signal = number
        if again or not self.watchers:
            raise Stopped("nothing was stored since the last checkpoint", number)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Context in which a training checks the request at least every few seconds."""
        watcher = object()
        self.watchers.append(watcher)
        try:
            yield
        finally:
            self.watchers.remove(watcher)
