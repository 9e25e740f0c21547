"""The words of each solver for the end of a run, and what they mean."""

from __future__ import annotations

import cplex as cplex_package
import gurobipy
import highspy
import pytest
import swiglpk

from mlspec.backends import cplex, glpk_library, gurobi, highs, scip
from mlspec.milp.model import Termination


def statuses(name: str) -> set[str]:
    """Return every status that a solver knows, by its name."""
    match name:
        case "highs":
            return set(highspy.HighsModelStatus.__members__)
        case "gurobi":
            return {each for each in dir(gurobipy.GRB.Status) if each.isupper()}
        case "cplex":
            status = cplex_package.Cplex().solution.status
            return {each for each in dir(status) if not each.startswith("_")}
        case "glpk":
            return {each for each in dir(swiglpk) if each.startswith("GLP_")}
    # SCIP's documentation of getStatus: its interface has no list of its own.
    return set(SCIP_STATUSES.split())


SCIP_STATUSES = """unknown userinterrupt nodelimit totalnodelimit stallnodelimit timelimit memlimit
    gaplimit sollimit bestsollimit restartlimit primallimit duallimit optimal infeasible unbounded
    inforunbd terminate"""

TABLES = {
    "highs": highs.TERMINATIONS,
    "gurobi": gurobi.TERMINATIONS,
    "cplex": cplex.TERMINATIONS,
    "scip": scip.TERMINATIONS,
    "glpk": {**glpk_library.STATUSES, **glpk_library.CODES},
}

PROOFS = {
    "highs": {"kInfeasible"},
    "gurobi": {"INFEASIBLE"},
    "cplex": {"infeasible", "MIP_infeasible"},
    "scip": {"infeasible"},
    "glpk": {"GLP_NOFEAS"},
}
"""The only words that mean: there is no point."""


@pytest.mark.parametrize("name", TABLES)
def test_the_words_for_an_end_are_those_of_the_solvers(name: str) -> None:
    """A misspelt one would turn an answer into a failure."""
    assert set(TABLES[name]) <= statuses(name)
    ends = {status for status, end in TABLES[name].items() if end is Termination.INFEASIBLE}
    assert ends == PROOFS[name]
    assert set(cplex.ABORTED) <= set(cplex.TERMINATIONS)


def test_what_glpk_never_said_before_is_a_failure() -> None:
    assert glpk_library.ended(swiglpk, 0, 99) == (Termination.FAILED, "status 99")
    assert glpk_library.ended(swiglpk, 99, swiglpk.GLP_NOFEAS) == (Termination.FAILED, "code 99")
    broken = glpk_library.ended(swiglpk, swiglpk.GLP_EBADB, swiglpk.GLP_OPT)
    assert broken == (Termination.FAILED, "GLP_EBADB")
    # A point that is not optimal, or of a call that failed, is no answer.
    for status in (swiglpk.GLP_UNDEF, swiglpk.GLP_FEAS, swiglpk.GLP_INFEAS):
        assert glpk_library.ended(swiglpk, 0, status)[0] is Termination.NUMERICAL
    assert glpk_library.ended(swiglpk, swiglpk.GLP_EFAIL, swiglpk.GLP_NOFEAS)[0] is (
        Termination.NUMERICAL
    )
