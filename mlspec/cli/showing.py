"""The commands that print and draw: ``show``, ``plot`` and ``solvers``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, assert_never

import typer

from mlspec.cli.app import app, out, say
from mlspec.files import require_writable


class Form(StrEnum):
    """How ``show`` prints."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.command()
def show(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT.nc...", help="Result files.")],
    form: Annotated[
        Form,
        typer.Option(
            "--format", help="table; json: all numbers; csv: one row for each epsilon of a layer."
        ),
    ] = Form.TABLE,
) -> None:
    """Print a result as tables; several results side by side."""
    from mlspec.results import open_result

    datasets = [open_result(path) for path in results]
    names = [str(path) for path in results]
    match form:
        case Form.TABLE:
            from mlspec.report.table import comparison, summary

            one = len(datasets) == 1
            out.print(summary(datasets[0]) if one else comparison(datasets, names))
        case Form.JSON:
            from mlspec.report.records import as_json

            sys.stdout.write(as_json(datasets, names))
        case Form.CSV:
            from mlspec.report.records import as_csv

            sys.stdout.write(as_csv(datasets, names))
        case _:
            assert_never(form)


@app.command()
def plot(
    result: Annotated[Path, typer.Argument(metavar="RESULT.nc", help="A result file.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FIG.png", help="Default: beside the result."),
    ] = None,
) -> None:
    """Draw a result: image, layers, epsilon heatmap, progress, blocking witnesses."""
    from mlspec.report.figure import plot as draw
    from mlspec.results import open_result

    path = output or result
    if output is None or not output.suffix:
        path = path.with_suffix(".png")
    ds = open_result(result)
    require_writable(path)
    draw(ds, path)
    say(f"saved in {path}")


@app.command()
def solvers() -> None:
    """List the solvers: which are here, their versions, interfaces and licence limits."""
    from mlspec.report.solvers import solver_table
    from mlspec.solvers import inventory

    out.print(solver_table(inventory()))
