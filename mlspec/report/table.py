"""Results as tables for the terminal: one in full, several side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from mlspec.core.naming import counted
from mlspec.core.objective import WeightedSum
from mlspec.core.trace import Ask
from mlspec.core.verdict import Stage
from mlspec.report.comparison import comparison
from mlspec.report.epsilon_table import EpsilonTable
from mlspec.report.explanation import headline, reasons
from mlspec.report.fitting import fitting
from mlspec.report.numbers import above, below, duration, near, percent
from mlspec.report.style import TABLE
from mlspec.report.words import (
    gap,
    kept_floor,
    proof_of,
    stopped,
)
from mlspec.results import aim_of, layering_of, objective_of, value_of

__all__ = ["comparison", "summary"]


def summary(ds: xr.Dataset) -> RenderableType:
    """Return a result in full: finding, size, every layer's epsilon, queries, stop reason, time.

    Readable from 80 columns on.
    """
    return Group(
        Text(_capital(headline(ds)) + ".", style="bold"),
        *(Text(f"{_capital(each)}.") for each in reasons(ds)),
        Text(),
        _facts(ds),
        Text(),
        EpsilonTable(ds),
        Text(),
        QueryTable(ds),
    )


def _facts(ds: xr.Dataset) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    over, size = counted(layering_of(ds)), below(float(ds["size"]), 4)
    value, bound = value_of(ds)
    plain = aim_of(ds) == WeightedSum.name
    exceeds = "is larger" if plain else "has a larger value"
    told = f"; gap {_gap(ds)}" if np.isfinite(gap(ds)) else ""
    most = f"{above(bound, 4)}  (none{kept_floor(ds)} {exceeds}{told})"
    if plain:
        facts.add_row("size", f"{size}  ({WeightedSum.words} over {over})")
    else:
        facts.add_row("objective", f"{aim_of(ds)}: {objective_of(ds).words}")
        facts.add_row("value", f"{below(value, 4)}  (over {over})")
    facts.add_row("upper bound", most if np.isfinite(bound) else "none is known")
    if kept_floor(ds):
        facts.add_row("floor", _floor(ds))
    if not plain:
        facts.add_row("size", f"{size}  ({WeightedSum.words})")
    facts.add_row("proof", proof_of(ds))
    facts.add_row("stopped", f"{stopped(ds)}, after {duration(ds.attrs['wall_seconds'])}")
    seed = f"solver {ds.attrs['solver']}, seed {ds.attrs['seed']}"
    facts.add_row("spec", f"{ds.attrs['name']}  ({ds.attrs['classifier_file']}, {seed})")
    return facts


def _floor(ds: xr.Dataset) -> str:
    least, most = (near(float(end)) for end in (ds["floor"].min(), ds["floor"].max()))
    values = least if least == most else f"{least} to {most}"
    return f"{values}  (the search keeps every {layering_of(ds).kind.part} at least there)"


def _gap(ds: xr.Dataset) -> str:
    share = gap(ds)
    what = "size" if aim_of(ds) == WeightedSum.name else "value"
    return percent(share) if share < TABLE.large_gap else f"{near(share)} times the {what}"


@dataclass(frozen=True, eq=False)
class QueryTable:
    """What was asked of the verifier and which stage answered, as a table or as lines."""

    ds: xr.Dataset

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        ds = self.ds
        if not ds.sizes["query"]:
            yield Text("no queries yet", style="dim")
            return
        tables = (_queries(ds, gap=2), _queries(ds, gap=1), _queries_in_lines(ds))
        yield fitting(console, options, tables)
        milps = int(ds["query_milp"].sum())
        yield Text(f"for {milps} of them a MILP was solved", style="dim")
        yield from _stages(ds)


def _asked(ds: xr.Dataset) -> Iterator[tuple[str, dict[Stage, int], str]]:
    """Yield each kind of query with how many each stage answered, and the time of all."""
    asks, stages = ds["query_ask"].values, ds["query_stage"].values
    for ask in Ask:
        mine = asks == ask.value
        if ask in (Ask.LEVEL, Ask.REFUTE) and not mine.any():
            continue
        counts = {stage: int((mine & (stages == stage.value)).sum()) for stage in Stage}
        yield ask.value, counts, duration(float(ds["query_seconds"].values[mine].sum()))


def _queries(ds: xr.Dataset, gap: int) -> Table:
    rows = [*_asked(ds)]
    used = [stage for stage in Stage if any(counts[stage] for _, counts, _ in rows)]
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("queries, by stage", no_wrap=True)
    for name in ["total", *(stage.value for stage in used), "time"]:
        table.add_column(name, justify="right", no_wrap=True)
    for name, counts, spent in rows:
        cells = [str(counts[stage] or "-") for stage in used]
        table.add_row(name, str(sum(counts.values())), *cells, spent)
    return table


def _queries_in_lines(ds: xr.Dataset) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row(Text("queries", style="dim"), Text("by stage", style="dim"))
    for name, counts, spent in _asked(ds):
        by = ", ".join(f"{stage.value} {count}" for stage, count in counts.items() if count)
        table.add_row(name, f"{sum(counts.values())}" + (f" ({by}), {spent}" if by else ""))
    return table


def _stages(ds: xr.Dataset) -> Iterator[RenderableType]:
    """Yield what the stages of the verifier did, where the result says so."""
    if "stage_asked" not in ds or not ds["stage_asked"].any():
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("stage of the verifier", no_wrap=True)
    for name in ("asked", "decided", "time"):
        table.add_column(name, justify="right")
    for stage in ds["stage"].values:
        asked, decided, seconds = (
            ds[f"stage_{each}"].sel(stage=stage).item() for each in ("asked", "decided", "seconds")
        )
        if asked:
            table.add_row(str(stage), str(asked), str(decided or "-"), duration(seconds))
    yield Text()
    yield table


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
