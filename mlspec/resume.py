"""What a stored result answers: its problem, read back to verify it again or to go on from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import xarray as xr

from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.property import TopK
from mlspec.core.trace import Cut
from mlspec.errors import DataError, InputError, MissingSolverError, ResumeError, SpecError
from mlspec.problem.onnx_import import read_network
from mlspec.results import aim_of, eps_of, label_names_of, layering_of, per_radius, property_of
from mlspec.search.budget import SpentError
from mlspec.search.search import Search
from mlspec.solvers import chosen
from mlspec.spec import ExperimentSpec, Source
from mlspec.spec.search import SolverChoice, named


def problem_of(result: xr.Dataset) -> Problem:
    """Return the problem that a result answers; it holds the classifier itself."""
    property_ = property_of(result)
    image = result["image"].values
    network = read_network(
        result["classifier_onnx"].values.tobytes(),
        by_rank=isinstance(property_.rule, TopK),
        input_shape=image.shape,
        float16=_reads_float16(result),
    )
    return Problem(
        network=network,
        image=image,
        object_mask=result["object_mask"].values.astype(bool),
        layering=layering_of(result),
        property=property_,
        weights=per_radius(result, "weight"),
        label_names=label_names_of(result),
        aim=aim_of(result),
    )


def _reads_float16(result: xr.Dataset) -> bool:
    """Whether the spec of a result reads float16 as float32; raises DataError where it is
    damaged."""
    try:
        asked = json.loads(result.attrs["spec"]).get("classifier", {})
        return bool(asked.get("float16") == "as_float32")
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the attribute 'spec' is damaged: {error}") from error


@dataclass(frozen=True, eq=False)
class Stored:
    """A stored neighborhood with what it takes to verify it again."""

    problem: Problem
    spec: ExperimentSpec
    eps: Array
    """The certified epsilons, ``(R,)``."""


def stored(result: xr.Dataset, solver: str | None = None, origin: str = "<result>") -> Stored:
    """Return the neighborhood of a result, to be verified with its own solver or another.

    ``solver`` is ``NAME`` or ``NAME,NAME``; ``origin`` is what errors call the result. Raises
    SpecError or MissingSolverError where the solver cannot be used here.
    """
    spec = ExperimentSpec.from_json(result.attrs["spec"], Source(origin))
    source = Source(origin if solver is None else "--solver")
    choice = harmless(spec.solver, source) if solver is None else named(solver, source)
    try:
        chosen(choice, source)
    except (SpecError, MissingSolverError) as error:
        advice = "; any other can verify the result, such as --solver highs"
        raise type(error)(f"{error}{'' if solver is not None else advice}") from None
    # The machine that made the result may have had another device.
    verifier = spec.verifier.model_copy(update={"device": "auto"})
    spec = spec.model_copy(update={"verifier": verifier, "solver": choice})
    return Stored(problem_of(result), spec, eps_of(result))


def harmless(
    solver: SolverChoice | tuple[SolverChoice, ...], source: Source
) -> SolverChoice | tuple[SolverChoice, ...]:
    """Return the solver of a result without what could read or write files: options that are words
    (Gurobi's LogFile is one) are left out.

    Raises SpecError for a profile that is outside the folder.
    """
    if not isinstance(solver, SolverChoice):
        return tuple(_alone(each, source) for each in solver)
    return _alone(solver, source)


def _alone(solver: SolverChoice, source: Source) -> SolverChoice:
    path = PurePath(solver.profile)
    if path.is_absolute() or ".." in path.parts:
        outside = f"a result names no profile outside its folder; got '{solver.profile}'"
        raise source.error("solver", f"{outside}: name a solver, such as --solver highs")
    numbers = {name: each for name, each in solver.options.items() if not isinstance(each, str)}
    return solver.model_copy(update={"options": numbers})


def require_same_question(problem: Problem, earlier: xr.Dataset) -> None:
    """Raise InputError where ``earlier`` answers another question than ``problem`` asks."""
    same = problem_of(earlier)
    if (
        same.network.digest != problem.network.digest
        or not np.array_equal(same.image, problem.image)
        or not np.array_equal(same.layering.index, problem.layering.index)
        or same.layering.asymmetric != problem.layering.asymmetric
        or same.property != problem.property
    ):
        raise InputError(
            "the result to resume from answers another question (classifier, image, layers or "
            "target differ): give another output file, or leave --resume out"
        )


def go_on(search: Search, cuts: Sequence[Cut], earlier: xr.Dataset, path: Path | None) -> None:
    """Begin ``search`` with what ``earlier`` holds: ``cuts`` are those of its witnesses, replayed,
    and its neighborhood is proved again.

    Raises ResumeError where the proof does not come: a search from the start would only lose what
    the file ``path`` holds.
    """
    try:
        verdict = search.resume(cuts, eps_of(earlier))
    except SpentError as spent:
        failure = f"{spent.reason.value} spent"
    else:
        if verdict is None or verdict.robust:
            return
        failure = verdict.reason or "an image within it violates"
    stays = "" if path is None else f"; {path} stays as it is"
    raise ResumeError(f"the earlier result could not be proved again ({failure}){stays}")
