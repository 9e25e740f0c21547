"""The table of ``mlspec solvers``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlspec.backends.inventory import Stock
from mlspec.spec.profile import Capability


def solver_table(stocks: Iterable[Stock]) -> RenderableType:
    """Return what is here and what is not, and what each can do; readable from 80 columns on."""
    found = list(stocks)
    here = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("solver", "version", "free licence", "interface"):
        here.add_column(head, no_wrap=head != "interface")
    for stock in found:
        profile = stock.profile
        limit = profile.free_licence
        size = "no limit"
        if limit is not None:
            size = f"{limit.variables:,} / {limit.constraints:,}"
        if stock.version is None:
            how = Text(f"missing: {profile.install}", style="dim")
            here.add_row(Text(profile.name, style="dim"), "-", size, how)
        else:
            here.add_row(Text(profile.name, style="bold"), stock.version, size, profile.interface)
    return Group(
        here,
        Text("A free licence is limited in variables / constraints.", style="dim"),
        Text(),
        _capabilities(found),
    )


def _capabilities(stocks: Iterable[Stock]) -> Table:
    stocks = list(stocks)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("can", no_wrap=True)
    for stock in stocks:
        table.add_column(stock.profile.name, justify="center")
    for capability in get_args(Capability):
        marks = ["yes" if capability in stock.profile.capabilities else "-" for stock in stocks]
        table.add_row(capability.replace("_", " "), *marks)
    return table
