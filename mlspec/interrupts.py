"""Ctrl-C and a polite kill, kept away where they would break something, and an alarm."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mlspec.errors import OverdueError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ALARM = getattr(signal, "SIGALRM", None)
"""None on systems without."""


@contextmanager
def undisturbed(*, afterwards: bool) -> Iterator[None]:
    """Keep interruptions, and an alarm, away while the block runs.

    An interruption that came is made up for ``afterwards``, or forgotten; an alarm is always made
    up for. Only the main thread is ever interrupted: in others there is nothing to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    # The alarm is held first and let go last: it must not strike while handlers change hands.
    alarm = () if ALARM is None or not callable(signal.getsignal(ALARM)) else (ALARM,)
    held = (*alarm, *SIGNALS)
    before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in held}
    try:
        yield
    finally:
        for each, handler in reversed(before.items()):
            signal.signal(each, signal.SIG_DFL if handler is None else handler)
        due = [each for each in SIGNALS if afterwards and each in came]
        due += [each for each in alarm if each in came]
        if due:
            signal.raise_signal(due[0])


@contextmanager
def overdue_after(seconds: float) -> Iterator[None]:
    """Raise OverdueError in the block once ``seconds``, and a moment of grace, are over.

    A net below the deadlines of all parts, for what knows none. It hangs in the main thread, on
    systems with interval timers that nobody else uses; elsewhere there is none.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or ALARM is None
        or signal.getsignal(ALARM) is not signal.SIG_DFL
    ):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        if _swallows_errors(frame):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
        else:
            raise OverdueError

    signal.signal(ALARM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.0) + 0.5)
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        finally:
            signal.signal(ALARM, signal.SIG_DFL)


def _swallows_errors(frame: FrameType | None) -> bool:
    """Whether a ``__del__``, or a callback of the garbage collector, runs: nobody hears of what is
    raised there."""
    callbacks = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_code in callbacks:
            return True
        frame = frame.f_back
    return False
