"""``mlspec solve`` and ``mlspec check``."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from mlspec.cli.app import app, err, out, say
from mlspec.cli.arguments import Overrides, SolverName, SpecPath, load
from mlspec.errors import ExitCode, InputError, LicenceError, SaveWarning
from mlspec.files import claimed, require_writable
from mlspec.interrupts import undisturbed


@app.command()
def solve(
    context: typer.Context,
    spec: SpecPath,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT.nc", help="Default: results/<spec name>.nc"),
    ] = None,
    set_: Overrides = None,
    solver: SolverName = None,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="SECONDS", help="Wall-clock budget.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the result file, if there is one.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the result file even by a smaller neighborhood."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print every layer and query, as mlspec show does.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only the name of the result file.")
    ] = False,
) -> None:
    """Compute the maximal robust layered neighborhood of SPEC."""
    began: float = context.obj
    if verbose and quiet:
        raise InputError("--verbose and --quiet exclude each other: leave one out")
    loaded = load(spec, set_, solver, budget)

    from mlspec import run
    from mlspec.report.answer import answer
    from mlspec.report.live import LiveProgress
    from mlspec.report.table import summary
    from mlspec.results import Destination, destination, open_result

    experiment = run.prepare(loaded)
    path = output or Path("results") / f"{experiment.name}.nc"
    require_writable(path)
    context.with_resource(claimed(path))
    if resume and path.exists():
        earlier, place = open_result(path), Destination(path, path)
    else:
        earlier, place = None, destination(path, experiment.unsolved(), force=force)
        if not quiet:
            _tell_of_what_is_there(place)

    seconds = experiment.spec.budget.seconds
    live = LiveProgress(out, experiment.problem, seconds, experiment.name, began)
    with warnings.catch_warnings(), nullcontext() if quiet else live as watch:
        warnings.simplefilter("always", SaveWarning)
        warnings.showwarning = _say
        result = run.solve_experiment(experiment, place.working, watch, earlier, began)
    with undisturbed(afterwards=False):
        if not quiet:
            out.print()
            out.print(summary(result) if verbose else answer(result))
            out.print()
        saved = place.settle(result)
        if quiet:
            say(str(saved))
        else:
            _tell_where(place, saved)
    if result.attrs["stop_reason"] == "interrupted":
        raise typer.Exit(ExitCode.INTERRUPTED)
    if not result["epsilon"].values.any():
        raise typer.Exit(ExitCode.BAD_NEWS)


def _tell_of_what_is_there(place: Any) -> None:
    """Say what becomes of an earlier result in the file."""
    if place.earlier is not None:
        from mlspec.report.numbers import below

        size = below(float(place.earlier["size"]), 4)
        said = f"{place.path} holds an earlier result of size {size}, which only a better one"
        said += " replaces; --resume goes on from it"
    elif place.replaced:
        said = f"{place.path} holds a result that is going to be replaced ({place.replaced})"
    else:
        return
    say(said)


def _tell_where(place: Any, saved: Path) -> None:
    if saved != place.path:
        said = f"the earlier result in {place.path} is better and stays; --force replaces it"
        say(said)
    say(f"saved in {saved}")


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    say(str(message), err)


@app.command()
def check(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC...", help="Spec files.")],
    set_: Overrides = None,
    solver: SolverName = None,
) -> None:
    """Validate and resolve each SPEC and print the plan, without solving."""
    loaded = [load(path, set_, solver) for path in specs]

    from mlspec import run
    from mlspec.report.plan import plan

    obstacles = []
    for number, experiment in enumerate([run.prepare(spec) for spec in loaded]):
        if number:
            out.print()
        ahead = run.solver_plan(experiment)
        out.print(
            plan(experiment.name, experiment.problem, experiment.difference, experiment.spec, ahead)
        )
        obstacles.append(ahead.obstacle)
    if any(obstacles):
        raise typer.Exit(LicenceError.exit_code)
