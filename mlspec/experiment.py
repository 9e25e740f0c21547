"""A spec with everything it names read and checked, before any long work starts."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import xarray as xr

from mlspec import __version__
from mlspec.core.clock import WALL, Clock, WorkClock
from mlspec.core.problem import Problem
from mlspec.core.trace import Trace
from mlspec.errors import InputError
from mlspec.problem.resolve import resolve
from mlspec.results import Provenance, to_dataset
from mlspec.solvers import chosen, prover_for
from mlspec.spec import ExperimentSpec
from mlspec.tensors import device_of

PACKAGES: Final = ("numpy", "pyomo", "torch", "xarray")
"""Their versions are recorded in every result, beside those of the solvers."""


@dataclass(frozen=True, eq=False)
class Experiment:
    """A spec with everything it names read and checked."""

    spec: ExperimentSpec
    name: str
    """The name of the spec's file, without its ending."""
    problem: Problem
    provenance: Provenance
    difference: float
    """Between the scores of the network and those of onnxruntime, the largest seen."""

    def unsolved(self) -> xr.Dataset:
        """Return the result that a search begins with: the question, and nothing certified."""
        return to_dataset(self.problem, Trace(self.problem.layering.count), self.provenance)


def clock_of(spec: ExperimentSpec, began: float | None = None) -> Clock:
    """Return a new clock for ``budget.work``; the wall clock where there is none.

    ``budget.seconds`` count from ``began``, in ``time.monotonic()`` seconds; from now if None.
    """
    if spec.budget.work is None:
        return WALL
    began = time.monotonic() if began is None else began
    return WorkClock(ends=began + spec.budget.seconds)


def prepare(spec: ExperimentSpec, *, misread: bool = False) -> Experiment:
    """Read the files of ``spec`` and check that its parts fit.

    ``misread`` allows an image that the classifier does not read right.

    Raises SpecError for a mistake in the spec or in a file it names, MissingSolverError or
    LicenceError where its solver cannot be used here.
    """
    if not isinstance(spec, ExperimentSpec):
        raise InputError(f"a spec is what mlspec.load_spec(FILE) returns; got {spec!r}")
    try:
        device_of(spec.verifier.device)
    except InputError as error:
        raise spec.source.error("verifier.device", str(error)) from error
    resolved = resolve(spec, misread=misread)
    solver = chosen(spec.solver, spec.source)
    if spec.budget.work is not None and prover_for(solver) is not solver:
        counted = f"the work of solver {solver.name} cannot be counted: use solver: highs"
        raise spec.source.error("budget.work", f"{counted}, or budget.seconds")
    name = Path(spec.source.origin).stem
    provenance = Provenance(
        name=name,
        spec_json=spec.to_json(),
        classifier_onnx=resolved.classifier_onnx,
        classifier_file=spec.classifier.onnx,
        solver=solver.name,
        seed=spec.seed,
        versions={
            "mlspec": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
            **solver.versions,
        },
        object_label=resolved.object_label,
    )
    return Experiment(spec, name, resolved.problem, provenance, resolved.difference)
