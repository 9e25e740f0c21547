"""Ctrl-C and SIGTERM, kept away where they would break something."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def undisturbed(*, afterwards: bool) -> Iterator[None]:
    """Keep interruptions away while the block runs.

    One that comes meanwhile is raised ``afterwards``, or forgotten. Only the main thread is ever
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
        if afterwards and came:
            signal.raise_signal(came[0])
