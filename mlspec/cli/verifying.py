"""``mlspec verify``: one neighborhood, of a spec or of a result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from mlspec.cli.app import app, out, say
from mlspec.cli.arguments import Epsilons, Overrides, SolverName, result_or_spec
from mlspec.errors import ExitCode, InputError
from mlspec.files import require_writable


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
    witness: Annotated[
        Path | None,
        typer.Option(
            "--witness",
            metavar="FILE",
            help="Write the violating image, if there is one: exactly as .npy, rounded as .png.",
        ),
    ] = None,
    float32: Annotated[
        bool,
        typer.Option(
            "--float32", help="Allow for what the network's computation in float32 may lose."
        ),
    ] = False,
    set_: Overrides = None,
    solver: SolverName = None,
) -> None:
    """Decide one neighborhood: of a SPEC at --eps, or that of a RESULT from its file alone."""
    if level and (explain or float32 or witness is not None):
        option = "--explain" if explain else "--float32" if float32 else "--witness"
        raise InputError(f"{option} is about a decision: leave it out, or --level")
    if witness is not None:
        from mlspec.data.images import require_image_name

        require_image_name(witness)
        require_writable(witness)
    case = _case(what, eps, set_, solver)
    if level:
        _level(case)
        return

    from mlspec import run
    from mlspec.report.verdict import account, verdict_lines

    verdict = run.decide(case.problem, case.spec, case.eps, float32=float32)
    out.print(Text(verdict.outcome.value, style="bold"))
    for line in verdict_lines(verdict, case.problem, case.eps):
        say(line)
    if float32:
        from mlspec.verifier.float32 import score_error

        say(f"in float32: scores may be off by {score_error(case.problem, case.eps):.2g}")
    if explain:
        out.print(account(verdict))
    if witness is not None:
        _write_witness(witness, verdict.witness, case.problem)
    if not verdict.robust:
        raise typer.Exit(ExitCode.BAD_NEWS)


def _case(what: Path, eps: str | None, set_: list[str] | None, solver: str | None) -> Any:
    """Return the problem, spec and epsilons that the arguments name."""
    result, loaded, values = result_or_spec(what, eps, set_, solver)
    from mlspec import run
    from mlspec.resume import Stored, stored

    if result is not None:
        return stored(result, solver, str(what))
    problem = run.prepare(loaded).problem
    return Stored(problem, loaded, problem.layering.eps_meant(values))


def _write_witness(path: Path, image: Any, problem: Any) -> None:
    if image is None:
        say(f"no violating image: {path} is not written")
        return
    from mlspec.data.images import write_image

    stored = write_image(path, image)
    note = ""
    if not problem.margin(stored[None])[0] <= 0.0:
        note = "; rounded to the file's colours it no longer violates: write a .npy file"
    say(f"violating image saved in {path}{note}")


def _level(case: Any) -> None:
    from mlspec import run
    from mlspec.core.verdict import Outcome
    from mlspec.report.verdict import describe_query

    found = run.level_of(case.problem, case.spec, case.eps)
    least = float(found.margins[0])
    out.print(Text(found.outcome.value, style="bold"))
    say(describe_query(case.problem, case.eps))
    between = f"{least:.6g} (exact)" if found.exact else f"in [{found.lower:.6g}, {least:.6g}]"
    out.print(f"robustness level {between} after {found.seconds:.2f} s")
    out.print(f"proof of its lower end: {found.proof.value}")
    margins = ", ".join(f"{margin:.4g}" for margin in found.margins)
    say(f"margins of the weakest images: {margins}")
    if found.outcome is not Outcome.ROBUST:
        raise typer.Exit(ExitCode.BAD_NEWS)
