"""Results as tables for the terminal: one in full, several side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import xarray as xr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlspec.core.naming import counted, part_name
from mlspec.core.objective import WeightedSum
from mlspec.core.trace import Ask, Block
from mlspec.core.verdict import Stage, Verdict
from mlspec.report.comparison import comparison
from mlspec.report.numbers import above, below, duration, near, percent
from mlspec.report.words import (
    attacked,
    block_of,
    exchange,
    finding,
    gap,
    misreading,
    stopped,
    witness_extent,
)
from mlspec.results import aim_of, layering_of, objective_of, per_radius, radii_of, value_of

__all__ = ["account", "comparison", "summary"]

_TWO_BLOCKS_FROM = 12
"""From so many layers on they are printed in two blocks beside each other."""
_MOST_ROWS = 64
"""More epsilons than this are summed up instead of listed."""
_MOST_RUNS = 20
"""Rows of such a summary."""
_CROWDED = 6
"""So many columns of stages stand closer together."""
_LARGE_GAP = 10.0
"""From here on a gap is not told in percent."""


def summary(ds: xr.Dataset) -> RenderableType:
    """Return a result in full: finding, size, every layer's epsilon, queries, stop reason, time.

    Readable from 80 columns on.
    """
    return Group(
        Text(_capital(finding(ds)) + ".", style="bold"),
        Text(),
        _facts(ds),
        Text(),
        _layers(ds),
        Text(),
        _queries(ds),
    )


def _facts(ds: xr.Dataset) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    over, size = counted(layering_of(ds)), below(float(ds["size"]), 4)
    value, bound = value_of(ds)
    most, exceeds = f"{above(bound, 4)}  (no neighborhood", f"; gap {_gap(ds)})"
    if aim_of(ds) == WeightedSum.name:
        facts.add_row("size", f"{size}  ({WeightedSum.words} over {over})")
        facts.add_row("upper bound", f"{most} is larger{exceeds}")
    else:
        facts.add_row("objective", f"{aim_of(ds)}: {objective_of(ds).words}")
        facts.add_row("value", f"{below(value, 4)}  (over {over})")
        facts.add_row("upper bound", f"{most} has a larger value{exceeds}")
        facts.add_row("size", f"{size}  ({WeightedSum.words})")
    facts.add_row("stopped", f"{stopped(ds)}, after {duration(ds.attrs['wall_seconds'])}")
    seed = f"solver {ds.attrs['solver']}, seed {ds.attrs['seed']}"
    facts.add_row("spec", f"{ds.attrs['name']}  ({ds.attrs['classifier_file']}, {seed})")
    return facts


def _gap(ds: xr.Dataset) -> str:
    share = gap(ds)
    what = "size" if aim_of(ds) == WeightedSum.name else "value"
    return percent(share) if share < _LARGE_GAP else f"{near(share)} times the {what}"


def _layers(ds: xr.Dataset) -> RenderableType:
    layering = layering_of(ds)
    notes = [Text(note, style="dim") for note in _notes(ds)]
    if layering.count > _MOST_ROWS:
        return Group(_by_distance(ds), *notes)
    two = layering.count >= _TWO_BLOCKS_FROM and not layering.names
    rows = (layering.count + 1) // 2 if two else layering.count
    blocks = Table.grid(padding=(0, 3))
    numbers = range(layering.count)
    blocks.add_row(
        *[_layer_block(ds, numbers[start : start + rows]) for start in range(0, len(numbers), rows)]
    )
    return Group(blocks, *notes)


def _notes(ds: xr.Dataset) -> list[str]:
    """Explain the last column, each kind of entry once."""
    layering = layering_of(ds)
    first: dict[Block, int] = {}
    for radius, block in enumerate(per_radius(ds, "blocked_by")):
        first.setdefault(Block(str(block)), radius)
    notes = []
    if Block.WITNESS in first:
        radius = first[Block.WITNESS]
        reading = misreading(ds, per_radius(ds, "blocking_scores")[radius])
        reason = "witness" if layering.count > _MOST_ROWS else _reason(ds, radius)
        limit = above(witness_extent(ds, radius), 3)
        notes.append(
            f"{reason}: {part_name(layering, radius)} cannot exceed {limit}, the classifier then "
            f"{reading}"
        )
    if Block.CAP in first:
        notes.append("cap: its pixels may take any value")
    if Block.BUDGET in first:
        said = str(_reason(ds, first[Block.BUDGET]))
        if layering.count > _MOST_ROWS:
            said = "budget"
        beyond = "; an image violates there" if said.startswith("<") else ""
        notes.append(f"{said}: the search ended before it knew whether more is possible{beyond}")
    if layering.count < 2 * layering.layers and layering.asymmetric:
        notes.append("a direction in which no pixel has room (black, white) is not listed")
    return notes


def _layer_block(ds: xr.Dataset, radii: range) -> Table:
    layering = layering_of(ds)
    names, eps = layering.radius_names, radii_of(ds)
    weights = per_radius(ds, "weight")
    block = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for name in (layering.kind.part, "epsilon", "weight", "pixels"):
        justify: Literal["left", "right"] = (
            "left" if name == layering.kind.part and layering.names else "right"
        )
        block.add_column(name, justify=justify, no_wrap=True)
    block.add_column("blocked", no_wrap=True)
    for radius in radii:
        block.add_row(
            names[radius],
            Text(below(float(eps[radius]), 3), style="bold" if eps[radius] > 0.0 else "red"),
            near(float(weights[radius]), 2),
            str(int(layering.pixels[layering.layer_of[radius]])),
            _reason(ds, radius),
        )
    return block


def _by_distance(ds: xr.Dataset) -> Table:
    """Return what is too long to list, summed up by the distance from the object."""
    layering = layering_of(ds)
    eps, blocks = radii_of(ds), per_radius(ds, "blocked_by")
    distance = layering.distance[layering.layer_of]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    several = layering.kind.parts + (" × ways" if layering.asymmetric else "")
    for name in ("distance", several, "smallest", "median", "largest"):
        table.add_column(name, justify="right", no_wrap=True)
    for block in Block:
        table.add_column(block.value, justify="right", no_wrap=True)
    for run in np.array_split(np.unique(distance), min(_MOST_RUNS, len(np.unique(distance)))):
        mine = (distance >= run[0]) & (distance <= run[-1])
        values = [eps[mine].min(), np.median(eps[mine]), eps[mine].max()]
        table.add_row(
            str(run[0]) if run[0] == run[-1] else f"{run[0]}-{run[-1]}",
            str(int(mine.sum())),
            *[below(float(value), 3) for value in values],
            *[str(int((blocks[mine] == block.value).sum()) or "-") for block in Block],
        )
    return table


def _reason(ds: xr.Dataset, radius: int) -> Text:
    block, most = block_of(ds, radius), attacked(ds)[radius]
    if block is Block.BUDGET and np.isfinite(most):
        return Text(f"< {above(most, 2)}", style="yellow")
    if block is not Block.WITNESS:
        return Text(block.value, style="green" if block is Block.CAP else "yellow")
    lost, gained = exchange(ds, per_radius(ds, "blocking_scores")[radius])
    return Text(f"{','.join(lost)} → {','.join(gained) or 'none'}" if lost else "tie")


def account(verdict: Verdict) -> RenderableType:
    """Return what each stage did for ``verdict``, one line each."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("stage", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("finding")
    for item in verdict.accounts:
        table.add_row(item.stage.value, f"{item.seconds:.3f} s", Text(item.finding))
    return table


def _queries(ds: xr.Dataset) -> RenderableType:
    if not ds.sizes["query"]:
        return Text("no queries yet", style="dim")
    asks, stages = ds["query_ask"].values, ds["query_stage"].values
    used = [stage for stage in Stage if (stages == stage.value).any()]
    gap = 2 if len(used) < _CROWDED else 1
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("queries, by stage", no_wrap=True)
    for name in ["total", *(stage.value for stage in used), "time"]:
        table.add_column(name, justify="right", no_wrap=True)
    for ask in Ask:
        mine = asks == ask.value
        if ask is Ask.REFUTE and not mine.any():
            continue
        counts = [str(int((mine & (stages == stage.value)).sum()) or "-") for stage in used]
        spent = duration(float(ds["query_seconds"].values[mine].sum()))
        table.add_row(ask.value, str(int(mine.sum())), *counts, spent)
    milps = int(ds["query_milp"].sum())
    solved = Text(f"{milps} of them solved a MILP", style="dim")
    return Group(table, solved, *_stages(ds))


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
