"""Ctrl-C and a polite kill, kept away where they would break something, and an alarm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mlspec.errors import OverdueError

EXIT_CODE = 130
"""Of a command that was interrupted."""
GRACE = 0.5
"""Seconds given to deadlines that are kept, before the alarm."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def undisturbed(*, afterwards: bool) -> Iterator[None]:
    """Keep interruptions away while the block runs.

    One that came is made up for ``afterwards``, or forgotten. Only the main thread is ever
    interrupted: in others there is nothing to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, signal.SIG_DFL if handler is None else handler)
        if came and afterwards:
            signal.raise_signal(came[0])


@contextmanager
def overdue_after(seconds: float) -> Iterator[None]:
    """Raise OverdueError in the block once ``seconds``, and a moment of grace, are over.

    A net below the deadlines of all parts, for what knows none. It hangs in the main thread, on
    systems with interval timers that nobody else uses; elsewhere there is none.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or not hasattr(signal, "setitimer")
        or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
    ):
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise OverdueError

    signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.0) + GRACE)
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
