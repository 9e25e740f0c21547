"""The table of certified epsilons: one row for each, or sums by distance where there are many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from mlspec.core.naming import part_name
from mlspec.core.network import Array
from mlspec.core.trace import Block
from mlspec.report.fitting import fitting
from mlspec.report.labels import label_change
from mlspec.report.numbers import above, below, near
from mlspec.report.style import TABLE
from mlspec.report.words import attacked, block_of, witness_extent
from mlspec.results import eps_of, layering_of, per_radius

COLUMNS = ("epsilon", "blocked", "weight", "pixels")
"""Columns beside the name, those that go last where the terminal is narrow at first."""


@dataclass(frozen=True, eq=False)
class EpsilonTable:
    """The epsilons of a result, with as much about each as the terminal is wide enough for."""

    ds: xr.Dataset

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        ds, count = self.ds, layering_of(self.ds).count
        summed_up = count > TABLE.most_rows
        candidates = _by_distance(ds) if summed_up else _listed(ds, count)
        yield fitting(console, options, candidates)
        for note in _notes(ds):
            yield Text(note, style="dim")


def _listed(ds: xr.Dataset, count: int) -> Iterator[Table]:
    """Yield tables with a row for each epsilon, the widest first."""
    if count >= TABLE.two_columns_from:
        half = (count + 1) // 2
        pair = Table.grid(padding=(0, 3))
        pair.add_row(_rows(ds, range(half), COLUMNS), _rows(ds, range(half, count), COLUMNS))
        yield pair
    for kept in range(len(COLUMNS), 0, -1):
        yield _rows(ds, range(count), COLUMNS[:kept])


def _rows(ds: xr.Dataset, shown: range, columns: tuple[str, ...]) -> Table:
    """Return a row for each radius index in ``shown``, with some of ``COLUMNS``; only names may
    wrap."""
    layering = layering_of(ds)
    names, eps, weights = layering.radius_names, eps_of(ds), per_radius(ds, "weight")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    if layering.names:
        longest_word = max(len(word) for name in names for word in name.split())
        most = max(TABLE.name_characters, longest_word)
        table.add_column(layering.kind.part, max_width=most)
    else:
        table.add_column(layering.kind.part, justify="right", no_wrap=True)
    for name in ("epsilon", "weight", "pixels", "blocked"):
        if name in columns:
            table.add_column(name, justify="left" if name == "blocked" else "right", no_wrap=True)
    for r in shown:
        cells: dict[str, Text | str] = {
            "epsilon": Text(below(float(eps[r]), 3), style="bold" if eps[r] > 0.0 else "red"),
            "weight": near(float(weights[r]), 2),
            "pixels": str(int(layering.pixels[layering.layer_of[r]])),
            "blocked": _reason(ds, r),
        }
        table.add_row(names[r], *[cell for name, cell in cells.items() if name in columns])
    return table


def _by_distance(ds: xr.Dataset) -> Iterator[Table]:
    """Yield tables that sum up what is too long to list by the distance from the object, the widest
    first."""
    layering = layering_of(ds)
    eps, blocks = eps_of(ds), per_radius(ds, "blocked_by")
    distance = layering.distance[layering.layer_of]
    runs = np.array_split(np.unique(distance), min(TABLE.most_runs, len(np.unique(distance))))
    several = layering.kind.parts + (" × ways" if layering.asymmetric else "")
    measures: dict[str, Callable[[Array], Any]] = {
        "smallest": np.min,
        "median": np.median,
        "largest": np.max,
    }
    for left_out in ((), ("median",), ("median", "largest")):
        shown = {name: measure for name, measure in measures.items() if name not in left_out}
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for name in ("distance", several, *shown, *(block.value for block in Block)):
            table.add_column(name, justify="right", no_wrap=True)
        for run in runs:
            mine = (distance >= run[0]) & (distance <= run[-1])
            table.add_row(
                str(run[0]) if run[0] == run[-1] else f"{run[0]}-{run[-1]}",
                str(int(mine.sum())),
                *[below(float(measure(eps[mine])), 3) for measure in shown.values()],
                *[str(int((blocks[mine] == block.value).sum()) or "-") for block in Block],
            )
        yield table


def _notes(ds: xr.Dataset) -> list[str]:
    """Explain the last column, each kind of entry once."""
    layering = layering_of(ds)
    first: dict[Block, int] = {}
    for r, block in enumerate(per_radius(ds, "blocked_by")):
        first.setdefault(Block(str(block)), r)
    notes = []
    if Block.WITNESS in first:
        r = first[Block.WITNESS]
        reading = label_change(ds, per_radius(ds, "blocking_scores")[r]).sentence
        reason = "witness" if layering.count > TABLE.most_rows else _reason(ds, r)
        limit = above(witness_extent(ds, r), 3)
        notes.append(
            f"{reason}: {part_name(layering, r)} cannot exceed {limit}, the classifier then "
            f"{reading}"
        )
    if Block.CAP in first:
        notes.append("cap: its pixels may take any value")
    if Block.BUDGET in first:
        said = str(_reason(ds, first[Block.BUDGET]))
        if layering.count > TABLE.most_rows:
            said = "budget"
        beyond = "; an image violates there" if said.startswith("<") else ""
        notes.append(f"{said}: the search ended before it knew whether more is possible{beyond}")
    if layering.count < 2 * layering.layers and layering.asymmetric:
        notes.append("a direction in which no pixel has room (black, white) is not listed")
    return notes


def _reason(ds: xr.Dataset, r: int) -> Text:
    block, most = block_of(ds, r), attacked(ds)[r]
    if block is Block.BUDGET and np.isfinite(most):
        return Text(f"<{above(most, 2)}", style="yellow")
    if block is not Block.WITNESS:
        return Text(block.value, style="green" if block is Block.CAP else "yellow")
    change = label_change(ds, per_radius(ds, "blocking_scores")[r])
    if not change.lost:
        return Text("tie")
    return Text(f"{','.join(change.lost)} → {','.join(change.gained) or 'none'}")
