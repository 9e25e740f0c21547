"""No garbage collection where thousands of objects are made that all stay.

A model makes some hundred thousand objects at once. Python's cyclic collector would walk through
all of them, and through everything else in memory, again and again while they are made.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector; where it is off already it stays off."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
