"""What a profile declares of its solver: code, package, options and licence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backend_cases import (
    SOLVERS,
    here,
    market_split,
    wide,
)
from machines import SECONDS, analyse, complete_stage, solver

import mlspec
from mlspec.core.deadline import Deadline
from mlspec.core.verdict import Outcome
from mlspec.errors import LicenceError, MissingSolverError, OptionError, SpecError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Termination
from mlspec.run import prepare
from mlspec.solvers import INTERFACES, chosen
from mlspec.spec import profile_names
from mlspec.spec.assets import asset_dir
from mlspec.spec.search import SolverChoice

every = pytest.mark.parametrize("name", SOLVERS)


def test_every_solver_has_a_profile_and_every_profile_a_solver() -> None:
    assert {solver(name).profile.backend for name in profile_names()} == set(INTERFACES)


def test_a_profile_of_unknown_code_is_refused(tmp_path: Path) -> None:
    text = (asset_dir("solvers") / "highs.yaml").read_text(encoding="utf-8")
    file = tmp_path / "mine.yaml"
    text = text.replace("backend: highs", "backend: higs").replace("name: highs", "name: mine")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"mine.yaml:\d+:\d+: backend: .*did you mean 'highs'"):
        chosen(SolverChoice(profile=str(file)))


@every
def test_the_solvers_of_the_package_index_are_installed(name: str) -> None:
    assert here(name), "the tests run every one of them: pip install 'mlspec[dev]'"


UNKNOWN = {
    "highs": "no_such_option",
    "gurobi": "NoSuchOption",
    "cplex": "mip.tolerances.nonsense",
    "scip": "limits/nonsense",
    "glpk": "nonsense",
}

REFUSED: dict[str, dict[str, Any]] = {
    "highs": {"mip_rel_gap": "wide", "threads": -3},
    "gurobi": {"MIPGap": "wide", "Threads": 1.5},
    "cplex": {"mip.tolerances.mipgap": -1.0, "threads": -3},
    "scip": {"limits/gap": -1.0, "lp/threads": "two"},
    "glpk": {"tol_int": 2.0, "mip_gap": "wide", "br_tech": 1.5},
}


@every
def test_unknown_and_refused_options_are_errors(name: str) -> None:
    model = market_split(2, 4)
    maker = "highs" if name == "highs-mip" else name
    for option, value in {UNKNOWN[maker]: 1, **REFUSED[maker]}.items():
        backend = solver(name, options={option: value})
        with pytest.raises(OptionError, match=option) as caught:
            backend.open(model)
        assert caught.value.option == option
        with pytest.raises(SpecError, match=option):
            chosen(SolverChoice(profile=name, options={option: value}))


MODULES = {"gurobi": "gurobipy", "cplex": "cplex", "scip": "pyscipopt", "glpk": "swiglpk"}


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_package_is_said_with_its_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    for ask in (lambda: solver(name).version, lambda: chosen(SolverChoice(profile=name))):
        with pytest.raises(
            MissingSolverError, match=rf"not installed: pip install .mlspec\[{name}"
        ):
            ask()


@pytest.mark.parametrize(("name", "most"), [("gurobi", 2000), ("cplex", 1000)])
def test_a_model_over_the_free_licence_is_refused_before_it_is_solved(name: str, most: int) -> None:
    backend = solver(name)
    assert backend.allows(most, most)
    assert (
        backend.open(wide(most, most)).solve((0,), Deadline.after(SECONDS)).termination
        is Termination.OPTIMAL
    )
    for size in ((most + 1, 5), (5, most + 1)):
        if backend.allows(*size):
            pytest.skip("a full licence is installed")
        with pytest.raises(LicenceError, match=f"{most + 1:,} .*fewer layers"):
            backend.open(wide(*size))


@pytest.mark.parametrize(("name", "most"), [("gurobi", 2000), ("cplex", 1000)])
def test_a_profile_without_a_limit_meets_the_licence_in_the_solver(name: str, most: int) -> None:
    backend = solver(name)
    if backend.allows(most + 1, 5):
        pytest.skip("a full licence is installed")
    unaware = backend.profile.model_copy(update={"free_licence": None})
    session = type(backend)(unaware, INTERFACES[name]).open(wide(most + 1, 5))
    with pytest.raises(LicenceError, match="licence does not allow this"):
        session.solve((0,), Deadline.after(SECONDS))


def test_a_model_that_outgrows_the_licence_on_the_way_is_unknown() -> None:
    problem = prepare(mlspec.load_spec("specs/none_img3.yaml")).problem
    box = problem.neighborhood(np.full(problem.layering.count, 0.005)).box
    stage = complete_stage(problem, Compiler(problem.relaxed), solver("cplex"), SECONDS)
    verdict = stage.decide(box, analyse(problem, box, "crown"), [], Deadline.after(SECONDS), [])
    assert verdict.outcome is Outcome.UNKNOWN
    assert "too many for the licence of CPLEX" in verdict.reason
