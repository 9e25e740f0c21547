"""Tables that are never cut: of several, the one that the terminal has room for."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement


def fitting(
    console: Console, options: ConsoleOptions, candidates: Iterable[RenderableType]
) -> RenderableType:
    """Return the first of ``candidates`` whose lines all fit the width of ``options`` unbroken; the
    last one if none does."""
    last: RenderableType = ""
    # Measured without a limit, as otherwise every table fits.
    unlimited = options.update(width=10 * options.max_width)
    for last in candidates:
        if Measurement.get(console, unlimited, last).maximum <= options.max_width:
            break
    return last
