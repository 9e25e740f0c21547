"""The short answer that ``mlspec solve`` ends with."""

from __future__ import annotations

import xarray as xr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlspec.core.naming import counted
from mlspec.report.explanation import headline
from mlspec.report.numbers import above, below, duration, percent
from mlspec.report.style import TABLE
from mlspec.report.words import gap, kept_floor, proof_of, stopped, value_name
from mlspec.results import layering_of, value_of


def answer(ds: xr.Dataset) -> RenderableType:
    """Return how far the object may change, the value of the neighborhood, and what ended the
    search, in a few lines."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    facts.add_row("certified", Text(_value(ds)))
    if value_of(ds)[0] > 0.0:
        facts.add_row("proof", Text(proof_of(ds)))
    facts.add_row(
        "stopped",
        Text(f"{stopped(ds)}, after {duration(float(ds.attrs['wall_seconds']))}"),
    )
    sentence = headline(ds)
    return Group(Text(f"{sentence[:1].upper()}{sentence[1:]}.", style="bold"), facts)


def _value(ds: xr.Dataset) -> str:
    """Return the value, and its upper bound where that says something."""
    value, bound = value_of(ds)
    said = f"{value_name(ds)} = {below(value, 4)} over {counted(layering_of(ds))}"
    share = gap(ds)
    if share <= TABLE.informative_gap:
        most = f"{above(bound, 4)} (gap {percent(share)})"
        said += f"; none{kept_floor(ds)} has more than {most}"
    return said
