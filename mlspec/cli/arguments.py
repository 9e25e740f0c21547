"""What the arguments of the commands are, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from mlspec.errors import InputError
from mlspec.files import is_hdf

SpecPath = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="a.b=v", help="Change a value of the spec; may be repeated."),
]
SolverName = Annotated[
    str | None,
    typer.Option(
        "--solver", metavar="NAME", help="Another solver; auto; or NAME,NAME side by side."
    ),
]
Epsilons = Annotated[
    str | None, typer.Option("--eps", metavar="V[,V...]", help="One epsilon, or one per layer.")
]


def load(
    path: Path, set_: list[str] | None, solver: str | None = None, budget: float | None = None
) -> Any:
    """Return the experiment of a spec file with what the command line changes in it."""
    from mlspec.spec import load_spec
    from mlspec.spec.overrides import Given
    from mlspec.spec.search import names_in

    overrides: list[str | Given] = list(set_ or [])
    if solver is not None:
        overrides.append(Given("--solver", "solver", names_in(solver)))
    if budget is not None:
        overrides.append(Given("--budget", "budget.seconds", budget))
    return load_spec(path, overrides)


def result_or_spec(
    what: Path, eps: str | None, set_: list[str] | None, solver: str | None
) -> tuple[Any, Any, Any]:
    """Return the result that ``what`` is, None and None; or None, its spec, and the epsilons.

    Raises InputError where ``eps`` is missing for a spec, or given for a result.
    """
    if what.suffix == ".nc" or is_hdf(what):
        if eps is not None or set_:
            raise InputError("a result has its own epsilons and spec: leave --eps and --set out")
        from mlspec.results import open_result

        return open_result(what), None, None
    loaded = load(what, set_, solver)
    if eps is None:
        raise InputError("a spec needs --eps V, or --eps V,V,... with one value per layer")
    return None, loaded, eps_of(eps)


def eps_of(text: str) -> Any:
    """Return the one epsilon, or the array of one per layer, that the text of ``--eps`` gives."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--eps: '{text}' is not a number, or numbers with commas between"
        ) from None
    wrong = [value for value in values if not 0.0 <= value <= 1.0]
    if wrong:
        raise InputError(f"--eps: epsilons lie in [0, 1] (pixel intensities); got {wrong[0]}")
    return values[0] if len(values) == 1 else np.array(values)
