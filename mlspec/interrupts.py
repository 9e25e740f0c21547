"""Ctrl-C and SIGTERM, kept away where they would break something; calls that may never return."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, TypeVar

T = TypeVar("T")
_LEFT_BEHIND: Final = "a call of mlspec within a limit of time"

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


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns, or raise what it raises.

    Raises TimeoutError where it has not ended after ``seconds``: it is left behind in a thread,
    with the locks that it holds. A call into a C library cannot be stopped in any other way.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            returned.append(call())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name=_LEFT_BEHIND, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not returned:
        raise TimeoutError(f"not ended after {seconds:.3g} s")
    return returned[0]


def leave(code: int) -> NoReturn:
    """End the process with an exit code; at once where a call was left behind, as a C library that
    is ended while it runs may crash."""
    if any(thread.name == _LEFT_BEHIND for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
