"""The accuracy table of a trained classifier."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from mlspec.report.numbers import percent


def accuracy_table(title: str, rows: Iterable[tuple[str, float, float]]) -> Table:
    """Return a table of ``(condition, share with all labels right, share with at least one)``."""
    table = Table(title=title, box=None, title_justify="left", header_style="dim")
    table.add_column("condition")
    table.add_column("all labels in the top k", justify="right")
    table.add_column("at least one", justify="right")
    for condition, everything, anything in rows:
        table.add_row(condition, percent(everything), percent(anything))
    return table
