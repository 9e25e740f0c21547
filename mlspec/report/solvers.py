"""The table of ``mlspec solvers``."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlspec.solvers import SolverStatus


def solver_table(solvers: Iterable[SolverStatus]) -> RenderableType:
    """Return what is here and what is not; readable from 80 columns on."""
    here = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("solver", "version", "free licence", "interface"):
        here.add_column(head, no_wrap=head != "interface")
    for solver in solvers:
        profile = solver.profile
        limit = profile.free_licence
        size = "no limit"
        if limit is not None:
            size = f"{limit.variables:,} / {limit.constraints:,}"
        if solver.version is None:
            how = Text(f"missing: {profile.install}", style="dim")
            here.add_row(Text(profile.name, style="dim"), "-", size, how)
        else:
            here.add_row(Text(profile.name, style="bold"), solver.version, size, profile.interface)
    return Group(
        here,
        Text("A free licence is limited in variables / constraints.", style="dim"),
    )
