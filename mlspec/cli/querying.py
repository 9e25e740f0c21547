"""``mlspec vnnlib``: a property of a network, as other verifiers are asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlspec.cli.app import app, err, say
from mlspec.errors import ExitCode


@app.command()
def vnnlib(
    network: Annotated[Path, typer.Argument(metavar="NET.onnx", help="The network.")],
    property_: Annotated[
        Path,
        typer.Argument(metavar="PROP.vnnlib", help="The property, VNN-LIB 1.0 or 2.0, or its .gz."),
    ],
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="S", help="Seconds that it may take.")
    ] = 300.0,
    solver: Annotated[
        str, typer.Option("--solver", metavar="NAME", help="Solver of what bounds leave open.")
    ] = "highs",
) -> None:
    """Answer a property in VNN-LIB: sat with a counterexample, unsat, unknown or timeout."""
    from mlspec.vnnlib import Answer, answer

    found = answer(network, property_, timeout, solver)
    sys.stdout.write(f"{found.text}\n")
    if found.answer in (Answer.UNKNOWN, Answer.TIMEOUT):
        say(found.reason, err)
        raise typer.Exit(ExitCode.BAD_NEWS)
