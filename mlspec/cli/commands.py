"""The commands; each loads what it needs when it runs, so that mistakes and help come at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from mlspec.cli.arguments import Epsilons, Overrides, SolverName, SpecPath, load, radii_of
from mlspec.errors import InputError, LicenceError

INTERRUPTED = 130

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
            raise typer.Exit(INTERRUPTED) from None


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
    loaded = load(spec, set_, solver, budget)

    from mlspec import run
    from mlspec.report.live import LiveProgress
    from mlspec.report.parts import NOUNS
    from mlspec.report.table import summary
    from mlspec.results import open_result

    experiment = run.prepare(loaded)
    objective, seconds = experiment.problem.objective, experiment.spec.budget.seconds
    path = output or Path("results") / f"{experiment.name}.nc"
    earlier = open_result(path) if resume and path.exists() else None

    layering = experiment.problem.layering
    parts = "epsilons" if layering.asymmetric else NOUNS[layering.kind][1]
    with LiveProgress(out, objective, seconds, experiment.name, parts) as live:
        result = run.solve_experiment(experiment, path, live, earlier)
    out.print()
    out.print(summary(result))
    out.print()
    out.print(Text(f"saved in {path}"), soft_wrap=True)
    if result.attrs["stop_reason"] == "interrupted":
        raise typer.Exit(INTERRUPTED)
    if not result["epsilon"].values.any():
        raise typer.Exit(1)


@app.command()
def check(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC...", help="Spec files.")],
    set_: Overrides = None,
    solver: SolverName = None,
) -> None:
    """Validate and resolve each SPEC and print the plan, without solving."""
    loaded = [load(path, set_, solver) for path in specs]

    from mlspec import outlook, run
    from mlspec.report.plan import plan

    obstacles = []
    for number, experiment in enumerate([run.prepare(spec) for spec in loaded]):
        if number:
            out.print()
        facts, obstacle = outlook.facts(experiment.problem, experiment.spec)
        out.print(plan(experiment.name, experiment.problem, facts, obstacle))
        obstacles.append(obstacle)
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
    set_: Overrides = None,
    solver: SolverName = None,
) -> None:
    """Decide one neighborhood: of a SPEC at --eps, or that of a RESULT from its file alone."""
    if what.suffix == ".nc":
        if eps is not None or set_:
            raise InputError("a result has its own epsilons and spec: leave --eps and --set out")
        from mlspec import run

        verdict = run.recertify(run.open_result(what), solver)
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


@app.command()
def show(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT.nc...", help="Result files.")],
) -> None:
    """Print a result as tables; several results side by side."""
    from mlspec.report.table import comparison, summary
    from mlspec.results import open_result

    datasets = [open_result(path) for path in results]
    out.print(summary(datasets[0]) if len(datasets) == 1 else comparison(datasets))


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

    path = output or result.with_suffix(".png")
    draw(open_result(result), path)
    out.print(Text(f"saved in {path}"), soft_wrap=True)


@app.command()
def train(
    spec: SpecPath,
    set_: Overrides = None,
) -> None:
    """Train a classifier and write it as ONNX."""
    from rich.progress import Progress

    from mlspec.report.accuracy import accuracy_table
    from mlspec.spec import load_model
    from mlspec.spec.training import TrainingSpec
    from mlspec.train import save
    from mlspec.train import train as fit

    training = load_model(spec, TrainingSpec, set_ or [])
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("training", total=None)

        def on_progress(step: int, total: int, loss: float) -> None:
            progress.update(task, total=total, completed=step, description=f"loss {loss:.4f}")

        trained = fit(training, on_progress)
    path = save(trained)
    report = trained.accuracy
    rows = [(row.condition, row.all_in_top, row.any_in_top) for row in report.rows]
    out.print(accuracy_table(f"{report.images} test scenes of {report.dataset}", rows))
    out.print(Text(f"saved in {path}"), soft_wrap=True)


@app.command()
def solvers() -> None:
    """List the solvers: which are here, their versions, interfaces, limits and capabilities."""
    from mlspec.backends.inventory import inventory
    from mlspec.report.solvers import solver_table

    out.print(solver_table(inventory()))


@app.command()
def export(
    spec: SpecPath,
    form: Annotated[str, typer.Option("--format", metavar="lp|mps", help="Format of the file.")],
    eps: Epsilons = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: <spec name>.<format>"),
    ] = None,
    set_: Overrides = None,
) -> None:
    """Write the compiled problem of SPEC for other tools: infeasible means robust."""
    loaded = load(spec, set_, solver="highs")  # whichever the spec names need not be here

    from mlspec import outlook, run

    experiment = run.prepare(loaded)
    path = output or Path(f"{experiment.name}.{form}")
    problem = experiment.problem
    radius = None if eps is None else run.radius_of(problem, radii_of(eps))
    written = outlook.write_models(problem, path, form, radius)
    for file, ahead in written.items():
        where = ", ".join(f"{each:g}" for each in dict.fromkeys(ahead.eps.tolist()))
        out.print(
            Text(
                f"wrote {file}: {ahead.variables:,} variables, {ahead.constraints:,} constraints, "
                f"at eps {where}; infeasible means robust"
            ),
            soft_wrap=True,
        )


@app.command()
def schema() -> None:
    """Print the JSON Schema of the spec, for editors."""
    import json

    from mlspec.spec import ExperimentSpec

    sys.stdout.write(json.dumps(ExperimentSpec.json_schema(), indent=2, ensure_ascii=False) + "\n")


@app.command()
def new(name: Annotated[str, typer.Argument(help="Name of the spec.")]) -> None:
    """Write a commented spec NAME.yaml to start from."""
    from mlspec.spec import spec_template

    path = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(spec_template(path.stem))
    except FileExistsError:
        raise InputError(f"{path} exists already: choose another name") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    out.print(Text(f"wrote {path}; next: mlspec check {path}"), soft_wrap=True)
