"""How the labels stand, as a table for the terminal and as records for other programs."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from io import StringIO
from math import ceil, floor
from typing import Any

import numpy as np
import xarray as xr
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from mlspec.core.standing import Standing
from mlspec.report.fitting import fitting
from mlspec.report.numbers import below, duration, listed
from mlspec.results import open_order, order_diagram, proved_order


def labels_sentence(ds: xr.Dataset) -> str:
    """Return the answer in one sentence: ``3 and 9 are always predicted; 7 only on some images; the
    others never``."""
    by: dict[Standing, list[str]] = defaultdict(list)
    for name, standing in zip(ds["label"].values, ds["standing"].values, strict=True):
        by[Standing(str(standing))].append(str(name))
    always, never = by[Standing.ALWAYS], by[Standing.NEVER]
    parts = [f"{listed(always) or 'no label'} {_are(always)} always predicted"]
    if by[Standing.EITHER]:
        parts.append(f"{listed(by[Standing.EITHER])} only on some images")
    if by[Standing.UNKNOWN]:
        parts.append(f"{listed(by[Standing.UNKNOWN])} {_are(by[Standing.UNKNOWN])} not decided")
    if never:
        parts.append(f"{'the others' if len(never) > 1 else never[0]} never")
    return "; ".join(parts)


def labels_report(ds: xr.Dataset) -> RenderableType:
    """Return how the labels stand: a sentence, a table, the proved order, what it took."""
    sentence = labels_sentence(ds)
    lines: list[RenderableType] = [
        Text(f"{sentence[:1].upper()}{sentence[1:]}.", style="bold"),
        Text(),
        _LabelTable(ds),
        Text(),
        _order(ds),
    ]
    for name, reason in zip(ds["label"].values, ds["reason"].values, strict=True):
        if reason:
            lines.append(Text(f"{name} is not decided: {reason}"))
    lines.append(Text(effort(ds), style="dim"))
    return Group(*lines)


def effort(ds: xr.Dataset) -> str:
    """Return how many labels were decided, with and without a MILP, and how long that took."""
    labels, milps = ds.sizes["label"], int(ds.attrs["complete_queries"])
    decided = labels - int((ds["standing"].values == Standing.UNKNOWN.value).sum())
    took = duration(float(ds.attrs["wall_seconds"]))
    how = f", {milps} asked a MILP, in" if milps else " without a MILP in"
    return f"{decided} of {labels} labels decided{how} {took}"


def labels_as_json(ds: xr.Dataset) -> str:
    """Return everything that the table says, numbers not rounded; what is not known is null."""
    record = {
        "name": str(ds.attrs["name"]),
        "classifier": str(ds.attrs["classifier_file"]),
        "decision": json.loads(ds.attrs["decision"]),
        "finding": labels_sentence(ds),
        "epsilons": ds["epsilon"].values.tolist(),
        "labels": list(_rows(ds)),
        "above": [list(pair) for pair in proved_order(ds)],
        "not_decided_above": [list(pair) for pair in open_order(ds)],
        "queries_with_milp": int(ds.attrs["complete_queries"]),
        "wall_seconds": float(ds.attrs["wall_seconds"]),
    }
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def labels_as_csv(ds: xr.Dataset) -> str:
    """Return a heading and a row for every label; what is not known is empty."""
    rows, text = list(_rows(ds)), StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(ds: xr.Dataset) -> Iterator[dict[str, Any]]:
    """Yield what is known of each label."""
    numbers = ("score", "score_lower", "score_upper", "margin")
    for place, name in enumerate(ds["label"].values):
        values = {each: float(ds[each].values[place]) for each in numbers}
        yield {
            "label": str(name),
            "standing": str(ds["standing"].values[place]),
            **{each: value if np.isfinite(value) else None for each, value in values.items()},
            **{each: str(ds[each].values[place]) for each in ("stage", "proof", "reason")},
            "milp": bool(ds["milp"].values[place]),
        }


class _LabelTable:
    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield fitting(console, options, (self._table(wide=True), self._table(wide=False)))

    def _table(self, *, wide: bool) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("label", overflow="fold")
        table.add_column("predicted", no_wrap=True)
        table.add_column("score", justify="right", no_wrap=True)
        table.add_column("score within", justify="right", no_wrap=True)
        if wide:
            table.add_column("margin", justify="right", no_wrap=True)
            table.add_column("decided by", no_wrap=True)
        rows = sorted(_rows(self._ds), key=lambda row: -row["score"])
        for row in rows:
            between = f"{_score(row['score_lower'], floor)} … {_score(row['score_upper'], ceil)}"
            cells = [row["label"], row["standing"], _score(row["score"]), between]
            if wide:
                margin = "" if row["margin"] is None else f">= {below(row['margin'], 3)}"
                by = "" if row["standing"] == Standing.UNKNOWN.value else row["stage"]
                cells += [margin, by]
            table.add_row(*map(Text, cells))
        return table


def _score(value: float | None, towards: Callable[[float], float] = round) -> str:
    """Return a score with three decimals, rounded ``towards`` the safe side."""
    return "?" if value is None else f"{towards(1000.0 * value) / 1000.0:.3f}"


def _order(ds: xr.Dataset) -> RenderableType:
    """Return the diagram of the proved order: each label with those next below it."""
    lowers: dict[str, list[str]] = defaultdict(list)
    for upper, lower in order_diagram(ds):
        lowers[upper].append(lower)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("label", overflow="fold")
    table.add_column("stays above, on every image")
    order = np.argsort(-ds["score"].values, kind="stable")
    for name in (str(ds["label"].values[place]) for place in order):
        if lowers[name]:
            table.add_row(Text(name), Text(", ".join(lowers[name])))
    proved, labels = len(proved_order(ds)), ds.sizes["label"]
    pairs = labels * (labels - 1) // 2
    said = f"order proved for {proved} of {pairs} pairs"
    if open_order(ds):
        said += f", {len(open_order(ds))} not decided"
    return Group(table, Text(f"{said}; implied pairs are left out", style="dim"))


def _are(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"
