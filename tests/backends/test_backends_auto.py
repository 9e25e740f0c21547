"""``solver: auto``: the choice of one solver for each model."""

from __future__ import annotations

import sys

import pytest
from backend_cases import wide
from machines import SECONDS, solver

from mlspec.backends.auto import AutoBackend
from mlspec.core.deadline import Deadline
from mlspec.errors import MissingSolverError, SpecError
from mlspec.milp.model import Termination
from mlspec.solvers import chosen
from mlspec.spec import load_spec
from mlspec.spec.search import SolverChoice, named


def test_auto_gives_each_model_the_strongest_solver_that_may_have_it() -> None:
    backend = chosen(SolverChoice(profile="auto"))
    assert isinstance(backend, AutoBackend)
    assert not backend.limited
    assert backend.name == "auto"
    assert [member.name for member in backend.members] == [
        "gurobi",
        "cplex",
        "highs",
        "scip",
        "glpk",
    ]
    assert backend.choice(100, 100).name == "gurobi"
    if not solver("gurobi").allows(2001, 1):
        assert backend.choice(2001, 100).name == "highs"
    assert (
        backend.open(wide(2500, 10)).solve((0,), Deadline.after(SECONDS)).termination
        is Termination.OPTIMAL
    )


def test_auto_does_without_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("gurobipy", "cplex", "pyscipopt", "swiglpk"):
        monkeypatch.setitem(sys.modules, package, None)
    backend = chosen(SolverChoice(profile="auto"))
    assert backend.choice(10, 10).name == "highs"
    with pytest.raises(MissingSolverError):
        chosen(named("highs,scip"))


def test_auto_takes_the_limits_that_it_is_given() -> None:
    """GLPK has no threads: it is out of the choice then."""
    backend = chosen(SolverChoice(profile="auto", threads=2))
    assert "glpk" not in [member.name for member in backend.members]
    assert all(member.profile.limits.threads == 2 for member in backend.members)
    spec = load_spec("specs/small.yaml", ["solver={profile: auto, options: {presolve: 'off'}}"])
    with pytest.raises(SpecError, match=r"solver\.options: options are those of one solver"):
        chosen(spec.solver, spec.source)
