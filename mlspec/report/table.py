"""Results as tables for the terminal: one in full, several side by side."""

from __future__ import annotations

import xarray as xr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlspec.core.trace import Ask, Block
from mlspec.core.verdict import Stage, Verdict
from mlspec.report.comparison import comparison
from mlspec.report.numbers import above, below, duration, near, percent
from mlspec.report.words import block_of, exchange, finding, gap, misreading

__all__ = ["account", "comparison", "summary"]

_TWO_BLOCKS_FROM = 12
"""From so many layers on they are printed in two blocks beside each other."""
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
    size = (
        f"{below(float(ds['size']), 4)}  (sum of weight × epsilon over {ds.sizes['layer']} layers)"
    )
    facts.add_row("size", size)
    bound = f"{above(float(ds['upper_bound']), 4)}  (no neighborhood is larger; gap {_gap(ds)})"
    facts.add_row("upper bound", bound)
    facts.add_row(
        "stopped", f"{ds.attrs['stop_reason']}, after {duration(ds.attrs['wall_seconds'])}"
    )
    seed = f"solver {ds.attrs['solver']}, seed {ds.attrs['seed']}"
    facts.add_row("spec", f"{ds.attrs['name']}  ({ds.attrs['classifier_file']}, {seed})")
    return facts


def _gap(ds: xr.Dataset) -> str:
    share = gap(ds)
    return percent(share) if share < _LARGE_GAP else f"{near(share)} times the size"


def _layers(ds: xr.Dataset) -> RenderableType:
    count = ds.sizes["layer"]
    rows = (count + 1) // 2 if count >= _TWO_BLOCKS_FROM else count
    blocks = Table.grid(padding=(0, 3))
    blocks.add_row(
        *[_layer_block(ds, range(count)[start : start + rows]) for start in range(0, count, rows)]
    )
    return Group(blocks, *[Text(note, style="dim") for note in _notes(ds)])


def _notes(ds: xr.Dataset) -> list[str]:
    """Explain the last column, each kind of entry once."""
    first: dict[Block, int] = {}
    for layer in range(ds.sizes["layer"]):
        first.setdefault(block_of(ds, layer), layer)
    notes = []
    if Block.WITNESS in first:
        layer = first[Block.WITNESS]
        reading = misreading(ds, ds["blocking_scores"].values[layer])
        notes.append(
            f"{_reason(ds, layer)}: just beyond its epsilon the classifier {reading} in some image"
        )
    if Block.CAP in first:
        notes.append("cap: its pixels may take any value")
    if Block.BUDGET in first:
        notes.append("budget: the search ended before it knew whether more is possible")
    return notes


def _layer_block(ds: xr.Dataset, layers: range) -> Table:
    block = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for name in ("layer", "epsilon", "weight", "pixels"):
        block.add_column(name, justify="right", no_wrap=True)
    block.add_column("blocked", no_wrap=True)
    for layer in layers:
        eps = float(ds["epsilon"].values[layer])
        block.add_row(
            str(layer),
            Text(below(eps, 3), style="bold" if eps > 0.0 else "red"),
            near(float(ds["weight"].values[layer]), 2),
            str(int(ds["layer_pixels"].values[layer])),
            _reason(ds, layer),
        )
    return block


def _reason(ds: xr.Dataset, layer: int) -> Text:
    block = block_of(ds, layer)
    if block is not Block.WITNESS:
        return Text(block.value, style="green" if block is Block.CAP else "yellow")
    lost, gained = exchange(ds, ds["blocking_scores"].values[layer])
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
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("queries", no_wrap=True)
    for name in ["total", *(f"by {stage.value}" for stage in used), "time"]:
        table.add_column(name, justify="right")
    for ask in Ask:
        mine = asks == ask.value
        counts = [str(int((mine & (stages == stage.value)).sum()) or "-") for stage in used]
        spent = duration(float(ds["query_seconds"].values[mine].sum()))
        table.add_row(ask.value, str(int(mine.sum())), *counts, spent)
    milps = int(ds["query_milp"].sum())
    return Group(table, Text(f"{milps} of them solved a MILP", style="dim"))


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
