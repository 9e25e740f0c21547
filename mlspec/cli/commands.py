"""The commands; each loads what it needs when it runs, so that mistakes and help come at once."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from mlspec.cli.arguments import Epsilons, Overrides, SolverName, SpecPath, load, radii_of
from mlspec.errors import DataError, InputError, LicenceError, SaveWarning
from mlspec.files import is_hdf, require_writable
from mlspec.interrupts import EXIT_CODE, undisturbed
from mlspec.tolerances import ROBUST_MARGIN

out = Console()
err = Console(stderr=True)


class Commands(TyperGroup):
    """The commands; Ctrl-C before there is a result to keep is said and has an exit code of its
    own."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was chosen."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            err.print("interrupted")
            raise typer.Exit(EXIT_CODE) from None


app = typer.Typer(
    name="mlspec",
    cls=Commands,
    help="Maximal robust layered neighborhoods of multi-label image classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Read by ``main`` before the commands run; declared here for the help."""


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
) -> None:
    """Compute the maximal robust layered neighborhood of SPEC."""
    began: float = context.obj
    loaded = load(spec, set_, solver, budget)

    from mlspec import run
    from mlspec.report.live import LiveProgress
    from mlspec.report.table import summary
    from mlspec.results import open_result, save

    experiment = run.prepare(loaded)
    problem, seconds = experiment.problem, experiment.spec.budget.seconds
    path = output or Path("results") / f"{experiment.name}.nc"
    earlier = open_result(path) if resume and path.exists() else None
    if not resume:
        _warn_of_replacing(path)

    with (
        warnings.catch_warnings(),
        LiveProgress(out, problem, seconds, experiment.name, began) as live,
    ):
        warnings.simplefilter("always", SaveWarning)
        warnings.showwarning = _say
        result = run.solve_experiment(experiment, path, live, earlier, began)
    with undisturbed(afterwards=False):
        out.print()
        out.print(summary(result))
        out.print()
        save(result, path)
        out.print(Text(f"saved in {path}"), soft_wrap=True)
    if result.attrs["stop_reason"] == "interrupted":
        raise typer.Exit(EXIT_CODE)
    if not result["epsilon"].values.any():
        raise typer.Exit(1)


def _warn_of_replacing(path: Path) -> None:
    from mlspec.report.numbers import below
    from mlspec.results import open_result

    try:
        size = float(open_result(path)["size"])
    except DataError:  # there is none, or it is no result
        return
    if size > 0.0:
        said = f"replaces an earlier result of size {below(size, 4)} in {path}"
        out.print(Text(f"{said}; --resume would go on from it"), soft_wrap=True)


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    err.print(Text(str(message)), soft_wrap=True)


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
        out.print(plan(experiment.name, experiment.problem, experiment.spec, ahead))
        obstacles.append(ahead.obstacle)
    if any(obstacles):
        raise typer.Exit(LicenceError.exit_code)


@app.command()
def verify(
    what: Annotated[
        Path, typer.Argument(metavar="SPEC|RESULT.nc", help="A spec with --eps, or a result.")
    ],
    eps: Epsilons = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each stage of the verifier did.")
    ] = False,
    level: Annotated[
        bool,
        typer.Option(
            "--level", help="Find the least margin of all images and the weakest of them, instead."
        ),
    ] = False,
    set_: Overrides = None,
    solver: SolverName = None,
) -> None:
    """Decide one neighborhood: of a SPEC at --eps, or that of a RESULT from its file alone."""
    if level and explain:
        raise InputError("--explain is about a decision: leave it out, or --level")
    if level:
        _level(what, eps, set_, solver)
        return
    if what.suffix == ".nc" or is_hdf(what):
        if eps is not None or set_:
            raise InputError("a result has its own epsilons and spec: leave --eps and --set out")
        from mlspec import run

        verdict = run.recertify(run.open_result(what), solver, str(what))
    else:
        loaded = load(what, set_, solver)
        if eps is None:
            raise InputError("a spec needs --eps V, or --eps V,V,... with one value per layer")
        radii = radii_of(eps)
        from mlspec import run

        verdict = run.verify(loaded, radii)
    out.print(Text(verdict.outcome.value, style="bold"))
    if verdict.margin is not None:
        sign = ">=" if verdict.robust else "="
        of_what = "certified" if verdict.robust else "of the witness"
        if verdict.witness is None and not verdict.robust:
            sign, of_what = ">=", "certified so far"
        out.print(f"margin {sign} {verdict.margin:.6g} ({of_what})")
    did = "left open" if verdict.reason else "decided"
    out.print(f"{did} by {verdict.stage.value} after {verdict.seconds:.2f} s")
    if verdict.reason:
        out.print(Text(f"reason: {verdict.reason}"))
    if explain:
        from mlspec.report.table import account

        out.print(account(verdict))
    if not verdict.robust:
        raise typer.Exit(1)


def _level(what: Path, eps: Epsilons, set_: Overrides, solver: SolverName) -> None:
    if eps is None or is_hdf(what):
        raise InputError("--level needs a spec and --eps V, or --eps V,V,... with one per layer")
    loaded = load(what, set_, solver)
    from mlspec import run

    found = run.level(loaded, radii_of(eps))
    least = float(found.margins[0])
    between = f"{least:.6g} (exact)" if found.exact else f"in [{found.lower:.6g}, {least:.6g}]"
    out.print(f"robustness level {between} after {found.seconds:.2f} s")
    margins = ", ".join(f"{margin:.4g}" for margin in found.margins)
    out.print(f"margins of the weakest images: {margins}", soft_wrap=True)
    if found.lower <= ROBUST_MARGIN:
        raise typer.Exit(1)


@app.command()
def show(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT.nc...", help="Result files.")],
) -> None:
    """Print a result as tables; several results side by side."""
    from mlspec.report.table import comparison, summary
    from mlspec.results import open_result

    datasets = [open_result(path) for path in results]
    names = [str(path) for path in results]
    out.print(summary(datasets[0]) if len(datasets) == 1 else comparison(datasets, names))


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
    out.print(Text(f"saved in {path}"), soft_wrap=True)


@app.command()
def solvers() -> None:
    """List the solvers: which are here, their versions, interfaces and licence limits."""
    from mlspec.report.solvers import solver_table
    from mlspec.solvers import inventory

    out.print(solver_table(inventory()))
