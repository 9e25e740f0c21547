"""The commands that write files to start from: classifiers, models, schema and specs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mlspec.cli.app import app, err, out, say
from mlspec.cli.arguments import Epsilons, Overrides, SpecPath, eps_of, load
from mlspec.errors import InputError
from mlspec.files import require_writable


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
    from mlspec.train import output_of, save
    from mlspec.train import train as fit

    training = load_model(spec, TrainingSpec, set_ or [])
    require_writable(output_of(training))
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("training", total=None)

        def on_progress(step: int, total: int, loss: float) -> None:
            progress.update(task, total=total, completed=step, description=f"loss {loss:.4f}")

        trained = fit(training, on_progress)
    path = save(trained)
    report = trained.accuracy
    rows = [(row.condition, row.all_in_top, row.any_in_top) for row in report.rows]
    out.print(accuracy_table(f"{report.images} test scenes of {report.dataset}", rows))
    say(f"saved in {path}")


@app.command()
def export(
    spec: SpecPath,
    form: Annotated[
        str, typer.Option("--format", metavar="lp|mps|vnnlib", help="Format of the file.")
    ],
    eps: Epsilons = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: <spec name>.<format>"),
    ] = None,
    set_: Overrides = None,
) -> None:
    """Write the problem of SPEC for other tools: infeasible, or unsat, means robust.

    lp and mps are the compiled model, vnnlib the network with its property.
    """
    loaded = load(spec, set_, solver="highs")  # whichever the spec names need not be here

    from mlspec import run
    from mlspec.export import write_models

    experiment = run.prepare(loaded)
    path = output or Path(f"{experiment.name}.{form}")
    problem = experiment.problem
    require_writable(path)
    at = None if eps is None else problem.layering.eps_meant(eps_of(eps))
    if form == "vnnlib":
        _export_query(experiment, path, at)
        return
    written = write_models(run.preflight_of(problem), path, form, at)
    for file, size in written.items():
        where = ", ".join(f"{each:g}" for each in dict.fromkeys(size.eps.tolist()))
        say(
            f"wrote {file}: {size.variables:,} variables, {size.constraints:,} constraints, "
            f"at eps {where}; infeasible means robust"
        )


def _export_query(experiment: Any, path: Path, at: Any) -> None:
    from mlspec import run
    from mlspec.export import write_query

    eps = run.preflight_of(experiment.problem).attack_radius() if at is None else at
    network = write_query(experiment, path, eps)
    where = ", ".join(f"{each:g}" for each in dict.fromkeys(eps.tolist()))
    say(f"wrote {path} and {network}, at eps {where}; unsat means robust")


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

    if not Path(name).name.strip("."):
        raise InputError(f"'{name}' is no name of a spec: give one such as mine")
    path = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(spec_template(path.stem))
    except FileExistsError:
        raise InputError(f"{path} exists already: choose another name") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    say(f"wrote {path}; next: mlspec check {shlex.quote(str(path))}")
