"""``mlspec labels``: which labels are always, never or sometimes predicted in a neighborhood."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, assert_never

import typer

from mlspec.cli.app import app, out, say
from mlspec.cli.arguments import Epsilons, Overrides, SolverName, result_or_spec
from mlspec.cli.showing import Form
from mlspec.core.standing import Standing
from mlspec.errors import ExitCode
from mlspec.files import require_writable


@app.command()
def labels(
    what: Annotated[
        Path, typer.Argument(metavar="SPEC|RESULT.nc", help="A spec with --eps, or a result.")
    ],
    eps: Epsilons = None,
    form: Annotated[
        Form, typer.Option("--format", help="table; json: all numbers; csv: one row per label.")
    ] = Form.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT.nc", help="Also save the answer as netCDF."),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure",
            metavar="FIG.png",
            help="Also draw the labels and their scores (png, pdf, svg).",
        ),
    ] = None,
    set_: Overrides = None,
    solver: SolverName = None,
) -> None:
    """Say of every label whether it is always, never or sometimes predicted: in the neighborhood
    of a SPEC at --eps, or in that of a RESULT."""
    for path in (output, figure):
        if path is not None:
            require_writable(path)
    ds = _surveyed(what, eps, set_, solver)

    from mlspec.report.label_table import labels_as_csv, labels_as_json, labels_report
    from mlspec.results import save

    match form:
        case Form.TABLE:
            out.print(labels_report(ds))
        case Form.JSON:
            sys.stdout.write(labels_as_json(ds))
        case Form.CSV:
            sys.stdout.write(labels_as_csv(ds))
        case _:
            assert_never(form)
    if output is not None:
        save(ds, output)
        _saved(output, form)
    if figure is not None:
        from mlspec.report.label_figure import plot_labels

        plot_labels(ds, figure)
        _saved(figure, form)
    if (ds["standing"].values == Standing.UNKNOWN.value).any():
        raise typer.Exit(ExitCode.BAD_NEWS)


def _saved(path: Path, form: Form) -> None:
    if form is Form.TABLE:
        say(f"saved in {path}")


def _surveyed(what: Path, eps: str | None, set_: list[str] | None, solver: str | None) -> Any:
    """Return how the labels of what the arguments name stand."""
    result, loaded, values = result_or_spec(what, eps, set_, solver)
    from mlspec.labelling import labels as survey
    from mlspec.labelling import labels_of_result

    if result is not None:
        return labels_of_result(result, solver, str(what))
    return survey(loaded, values)
