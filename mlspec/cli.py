"""The command line: ``mlspec COMMAND ...``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from mlspec.errors import ContradictionError, InputError, MlspecError

INTERRUPTED = 130
INTERNAL = 70


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
out = Console()
err = Console(stderr=True)

SpecPath = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="a.b=v", help="Change a value of the spec; may be repeated."),
]
SolverName = Annotated[
    str | None, typer.Option("--solver", metavar="NAME", help="Another solver profile.")
]


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
    overrides = list(set_ or [])
    if solver is not None:
        overrides.append(f"solver.profile={solver}")
    if budget is not None:
        overrides.append(f"budget.seconds={np.format_float_positional(budget, trim='0')}")
    loaded = _load(spec, overrides)

    from mlspec import run
    from mlspec.report.live import LiveProgress
    from mlspec.report.table import summary
    from mlspec.results import open_result
    from mlspec.search.maximality import upper_bound

    experiment = run.prepare(loaded)
    weights, seconds = experiment.problem.weights, experiment.spec.budget.seconds
    path = output or Path("results") / f"{experiment.name}.nc"
    earlier = open_result(path) if resume and path.exists() else None

    def bound(trace: Any) -> float:
        return upper_bound(weights, trace)

    with LiveProgress(out, weights, seconds, experiment.name, bound) as live:
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
) -> None:
    """Validate and resolve each SPEC and print the plan, without solving."""
    loaded = [_load(path, set_ or []) for path in specs]

    from mlspec import run
    from mlspec.report.plan import plan

    for number, experiment in enumerate([run.prepare(spec) for spec in loaded]):
        if number:
            out.print()
        out.print(plan(experiment.name, experiment.problem, run.facts(experiment)))


@app.command()
def verify(
    what: Annotated[
        Path, typer.Argument(metavar="SPEC|RESULT.nc", help="A spec with --eps, or a result.")
    ],
    eps: Annotated[
        str | None,
        typer.Option("--eps", metavar="V[,V...]", help="One epsilon, or one per layer."),
    ] = None,
    set_: Overrides = None,
    solver: SolverName = None,
) -> None:
    """Decide one neighborhood: of a SPEC at --eps, or that of a RESULT from its file alone."""
    if what.suffix == ".nc":
        if eps is not None or set_:
            raise InputError("a result has its own epsilons and spec: leave --eps and --set out")
        verdict = _recertify(what, solver)
    else:
        overrides = list(set_ or []) + ([f"solver.profile={solver}"] if solver else [])
        loaded = _load(what, overrides)
        if eps is None:
            raise InputError("a spec needs --eps V, or --eps V,V,... with one value per layer")
        verdict = _verify(loaded, _radii(eps))
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


def main() -> None:
    """Run the command line; every expected error is one clear message and an exit code."""
    arguments = [each for each in sys.argv[1:] if each != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    # A polite kill keeps the best certified result just as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(arguments, prog_name="mlspec")
    except MlspecError as error:
        if debug:
            raise
        err.print(Text(str(error)), soft_wrap=True)
        if isinstance(error, ContradictionError):
            _keep(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        message = f"internal error: {type(error).__name__}: {error}; please report it with --debug"
        err.print(Text(message), soft_wrap=True)
        sys.exit(INTERNAL)


def _load(path: Path, overrides: list[str]) -> Any:
    from mlspec.spec import load_spec

    return load_spec(path, overrides)


def _verify(spec: Any, eps: Any) -> Any:
    from mlspec.run import verify as decide

    return decide(spec, eps)


def _recertify(path: Path, solver: str | None) -> Any:
    from mlspec.results import open_result
    from mlspec.run import recertify

    return recertify(open_result(path), solver)


def _radii(text: str) -> Any:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--eps: '{text}' is not a number, or numbers with commas between"
        ) from None
    return values[0] if len(values) == 1 else np.array(values)


def _keep(error: ContradictionError) -> None:
    path = Path("contradiction.npz")
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in error.evidence.items()}
    np.savez(path, **arrays)
    err.print(Text(f"evidence saved in {path}"))


if __name__ == "__main__":
    main()
