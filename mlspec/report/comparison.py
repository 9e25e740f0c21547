"""Several results side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import xarray as xr
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from mlspec.core.naming import counted
from mlspec.core.objective import WeightedSum
from mlspec.core.trace import Ask, Block
from mlspec.report.explanation import difference_lines, headline
from mlspec.report.numbers import above, below, duration
from mlspec.report.reach import object_reach
from mlspec.report.style import TABLE
from mlspec.report.words import stopped
from mlspec.results import aim_of, differences, layering_of, per_radius, value_of

Cell = Callable[[xr.Dataset], str]


def comparison(results: Sequence[xr.Dataset], files: Sequence[str] = ()) -> RenderableType:
    """Return the ``results`` side by side, as many per row as the terminal has room for.

    They go by the names of their specs or, where a name is there twice, by those of their
    ``files``. What keeps them from being comparable (another image, other weights, ...) is said
    below.
    """
    return _Comparison(tuple(results), _names(results, files))


def _names(results: Sequence[xr.Dataset], files: Sequence[str]) -> tuple[str, ...]:
    """Return names that tell the ``results`` apart, the shortest that do."""
    stems = [PurePath(file).stem for file in files]
    of_specs = [str(ds.attrs["name"]) for ds in results]
    choices = [names for names in (of_specs, stems, [*files]) if len(set(names)) == len(results)]
    return tuple(choices[0] if choices else of_specs)


class _Comparison:
    def __init__(self, results: tuple[xr.Dataset, ...], names: tuple[str, ...]) -> None:
        self._results = results
        self._names = names

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = _rows(self._results)
        names_width = max(len(name) for name in rows) + 2
        width = max(TABLE.result_width, *(len(name) + 2 for name in self._names))
        width = min(width, options.max_width - names_width)
        room = max(1, (options.max_width - names_width) // width)
        for start in range(0, len(self._results), room):
            some = slice(start, start + room)
            yield _side_by_side(rows, self._results[some], self._names[some], width - 2)
            yield Text()
        for ds, name in zip(self._results, self._names, strict=True):
            yield Text.assemble((f"{name}: ", "bold"), headline(ds))
        if len(self._results) == 2:
            yield from map(Text, difference_lines(self._results, self._names))
        differing = differences(self._results)
        if differing:
            yield Text(
                f"Not comparable: the results differ in {', '.join(differing)}.",
                style="bold yellow",
            )


def _rows(results: Sequence[xr.Dataset]) -> dict[str, Cell]:
    """Return the rows that tell the ``results`` apart, and those that all have."""
    rows = dict(ROWS)
    if len({_partition(ds) for ds in results}) > 1:
        rows = {"partition": _partition, **rows}
    if {aim_of(ds) for ds in results} != {WeightedSum.name}:
        rows |= OBJECTIVE_ROWS
    return rows


def _side_by_side(
    rows: Mapping[str, Cell], results: Sequence[xr.Dataset], names: Sequence[str], width: int
) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", style="dim", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", overflow="fold", max_width=width)
    for name, cell in rows.items():
        table.add_row(name, *[cell(ds) for ds in results])
    return table


def _partition(ds: xr.Dataset) -> str:
    return counted(layering_of(ds))


def setting(ds: xr.Dataset, *path: str) -> Any:
    """Return a value of the resolved spec stored with a result; None where it has no such key."""
    value: Any = json.loads(str(ds.attrs["spec"]) or "{}")
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def ask_count(ds: xr.Dataset, ask: Ask) -> int:
    """Return how many queries asked for ``ask``."""
    return int(np.count_nonzero(ds["query_ask"].values == ask.value))


def _milps(ds: xr.Dataset) -> int:
    complete = ds["query_ask"].values == Ask.COMPLETE.value
    return int(np.count_nonzero(ds["query_milp"].values[complete]))


def _settled(ds: xr.Dataset) -> str:
    """Return how many epsilons are known to be blocked, by a violating image or the cap."""
    blocks = per_radius(ds, "blocked_by")
    return f"{int(np.count_nonzero(blocks != Block.BUDGET.value))} of {len(blocks)}"


ROWS: dict[str, Cell] = {
    "classifier": lambda ds: PurePath(str(ds.attrs["classifier_file"])).stem,
    "strategy": lambda ds: str(setting(ds, "search", "strategy") or "?"),
    "shrink": lambda ds: str(setting(ds, "shrink", "policy") or "?"),
    "size": lambda ds: below(float(ds["size"]), 4),
    "upper bound": lambda ds: above(float(ds["upper_bound"]), 4),
    "eps at object": lambda ds: below(min(object_reach(ds)), 3),
    "smallest eps": lambda ds: below(float(ds["epsilon"].values.min()), 3),
    "known maximal": _settled,
    "complete queries": lambda ds: str(ask_count(ds, Ask.COMPLETE)),
    "  of which MILP": lambda ds: str(_milps(ds)),
    "certificate queries": lambda ds: str(ask_count(ds, Ask.CERTIFICATE)),
    "attack queries": lambda ds: str(ask_count(ds, Ask.ATTACK)),
    "bound queries": lambda ds: str(ask_count(ds, Ask.BOUND)),
    "time": lambda ds: duration(float(ds.attrs["wall_seconds"])),
    "stopped": stopped,
}
"""What is compared, by name of the row."""

OBJECTIVE_ROWS: dict[str, Cell] = {
    "objective": aim_of,
    "value": lambda ds: below(value_of(ds)[0], 4),
    "value at most": lambda ds: above(value_of(ds)[1], 4),
}
"""What is compared beside where one of the results has another objective than the size."""
