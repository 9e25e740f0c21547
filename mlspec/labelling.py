"""From a spec, or a result, to how its labels stand: the question of ``mlspec labels``."""

from __future__ import annotations

from dataclasses import replace

import xarray as xr

from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.property import Property
from mlspec.core.standing import LabelRelations
from mlspec.experiment import clock_of, prepare
from mlspec.results import ORIGIN, labels_dataset, origin_of
from mlspec.resume import stored
from mlspec.run import stages_of
from mlspec.solvers import chosen
from mlspec.spec import ExperimentSpec
from mlspec.tensors import single_threaded
from mlspec.verifier.labels import LabelSurvey


def labels(spec: ExperimentSpec, eps: Array | float) -> xr.Dataset:
    """Return which labels the classifier always, never or sometimes predicts in the neighborhood of
    ``eps``, and which labels are proved to stay above which.

    ``eps`` is as for ``verify``. The target of the spec is ignored, and the image may be misread.
    What is not decided within ``budget`` is unknown, with its reason.
    """
    experiment = prepare(spec, misread=True)
    problem = experiment.problem
    epsilons = problem.layering.eps_meant(eps)
    found = survey(problem, spec, epsilons)
    return labels_dataset(problem, epsilons, found, origin_of(problem, experiment.provenance))


def labels_of_result(
    result: xr.Dataset, solver: str | None = None, origin: str = "<result>"
) -> xr.Dataset:
    """Return how the labels stand in the certified neighborhood of a result, from it alone.

    ``solver`` is ``NAME`` or ``NAME,NAME``, instead of what the result was made with; ``origin`` is
    what errors call the result.
    """
    again = stored(result, solver, origin)
    found = survey(again.problem, again.spec, again.eps)
    name = chosen(again.spec.solver, again.spec.source).name
    attrs = {**{each: result.attrs.get(each, "") for each in ORIGIN}, "solver": name}
    return labels_dataset(again.problem, again.eps, found, attrs)


def survey(problem: Problem, spec: ExperimentSpec, eps: Array) -> LabelRelations:
    """Return how the labels of ``problem`` stand in the neighborhood of ``eps`` ``(R,)``,
    with the verifier, solver and budget of ``spec``."""
    asked = replace(problem, property=Property(problem.property.rule, (), problem.network.labels))
    with single_threaded():
        end = Deadline.after(spec.budget.limit, clock_of(spec))
        return LabelSurvey(asked, stages_of(asked, spec, end.clock)).run(eps, end)
