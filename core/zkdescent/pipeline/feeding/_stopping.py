"""Stop when asked to: at once while the chain or the prover is waited for, else when it is safe."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """Raised inside :meth:`Stopper.interruptible`; no error, so that nothing mends it."""


class Stopper:
    """Asked to stop by SIGTERM, SIGINT or :meth:`stop`."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._interruptible = False

    @property
    def asked(self) -> bool:
        """Whether somebody wants it to stop."""
        return self._asked.is_set()

    def stop(self) -> None:
        """Ask from another thread: stops before the next round."""
        self._asked.set()

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until asked to stop."""
        self._asked.wait(seconds)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A block that may be left in the middle: whatever it does survives a kill as well."""
        self._interruptible = True
        try:
            if self.asked:
                raise Stopped
            yield
        finally:
            self._interruptible = False

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen to the signals; outside of the main thread nobody sends any."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._asked.set()
        if self._interruptible:
            self._interruptible = False
            raise Stopped
