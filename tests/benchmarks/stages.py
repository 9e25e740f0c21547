"""Times every stage of the pipeline on the shipped specs: ``make bench``.

One run each. The neighborhoods asked about are shares of the *attack radius*, so that all above it
is violated and what is a little below it is hard.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from benchmarks.cases import Case, cases
from benchmarks.tables import footer, markdown
from mlspec import run
from mlspec.bounds.context import BoundsContext
from mlspec.bounds.registry import bounders
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.milp.compile import Compiler
from mlspec.spec.search import named
from mlspec.tensors import single_threaded

SHARES = (0.9, 0.95, 0.99)
OTHERS_AT = 0.95
STAGES_AT = 0.8
"""Share of the attack radius at which bounds, attack and compiler are timed."""


def timed(work: Callable[[], object]) -> str:
    """Return the seconds that ``work`` takes."""
    began = time.perf_counter()
    work()
    return f"{time.perf_counter() - began:.3f}"


def stages(case: Case, eps: Array) -> list[str]:
    """Return the seconds of interval, CROWN, alpha-CROWN, attack and MILP compiler on ``eps``."""
    problem = case.problem
    box = problem.neighborhood(eps).box
    context = BoundsContext(problem.relaxed, problem.property)
    interval, linear, optimised = bounders("alpha", context)
    crown = linear.analyse(box)
    alpha = optimised.analyse(box, crown)
    claim = alpha.claims[0].claim
    rows = range(len(claim.rows))
    compiler = Compiler(problem.relaxed)
    verifier = run.verifier_of(problem, case.spec)
    return [
        timed(lambda: interval.analyse(box)),
        timed(lambda: linear.analyse(box)),
        timed(lambda: optimised.analyse(box, crown)),
        timed(lambda: verifier.weakest(eps, thorough=True)),
        timed(lambda: compiler.compile(box, alpha.bounds(), claim, rows)),
    ]


def decision(case: Case, eps: Array, seconds: float, solver: str = "highs") -> str:
    """Return the verdict of the whole cascade on ``eps`` and its seconds."""
    verifier = case.spec.verifier
    milp = verifier.milp.model_copy(update={"seconds": seconds})
    changes = {"verifier": verifier.model_copy(update={"milp": milp}), "solver": named(solver)}
    spec = case.spec.model_copy(update=changes)
    verdict = run.verifier_of(case.problem, spec).verify(eps, Deadline.after(seconds))
    return f"{verdict.outcome.value}, {verdict.seconds:.1f}"


def main(
    specs: Sequence[str], labels: Sequence[str], seconds: float, others: Sequence[str]
) -> None:
    """Print one row for each spec and direction; a decision has ``seconds``.

    Those at ``OTHERS_AT`` are also left to the solvers ``others``.
    """
    began = time.perf_counter()
    rows = []
    with single_threaded():
        for case in cases(specs, labels):
            radius = case.attack_radius
            print(f"{case.name}, {case.label}: attack radius {radius:.4f}", file=sys.stderr)
            rows.append(
                [
                    f"`{case.name}`",
                    case.label,
                    f"{radius:.4f}",
                    *stages(case, case.eps(STAGES_AT)),
                    *[decision(case, case.eps(share), seconds) for share in SHARES],
                    *[decision(case, case.eps(OTHERS_AT), seconds, each) for each in others],
                ]
            )
    heads = ["spec", "direction", "attack radius"]
    heads += ["interval", "CROWN", "alpha", "attack", "MILP compile"]
    heads += [f"decision at {share:g}" for share in SHARES]
    heads += [f"at {OTHERS_AT:g} by {each}" for each in others]
    print(markdown(heads, rows, words=2))
    print(f"\n{footer(('mlspec', 'torch', 'highspy'), began)}")
