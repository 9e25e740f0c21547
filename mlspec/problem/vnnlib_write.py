"""A neighborhood and its property as VNN-LIB 1.0: satisfiable iff some image loses a target."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import assert_never

from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.property import Threshold, TopK
from mlspec.errors import InputError
from mlspec.problem.onnx_import import Classifier
from mlspec.problem.vnnlib_text import Question


def query_text(problem: Problem, classifier: Classifier, eps: Array) -> str:
    """Return the property of ``problem`` over its neighborhood ``eps`` ``(R,)``.

    ``X_i`` are the inputs of the file that ``classifier`` was read from, in C order, ``Y_j`` its
    outputs. Raises InputError where an output is a function of the scores that the property cannot
    be written with.
    """
    places, box = classifier.places.ravel(), problem.neighborhood(eps).box
    lower, upper = (end.ravel()[places].tolist() for end in (box.lower, box.upper))
    lines = ["; satisfiable iff some image of the neighborhood loses a target label"]
    lines += [f"; Y_{number} is label {name}" for number, name in enumerate(problem.label_names)]
    lines += [f"(declare-const X_{number} Real)" for number in range(len(places))]
    lines += [f"(declare-const Y_{number} Real)" for number in range(problem.network.labels)]
    for number, (low, up) in enumerate(zip(lower, upper, strict=True)):
        lines += [f"(assert (>= X_{number} {low!r}))", f"(assert (<= X_{number} {up!r}))"]
    lines += ["(assert (or", *(f"    {case}" for case in _cases(problem, classifier.end)), "))"]
    return "\n".join(lines) + "\n"


def _cases(problem: Problem, end: str) -> Iterator[str]:
    """Yield the cases in which a target is lost."""
    rule, labels = problem.property.rule, problem.network.labels
    for target in problem.property.targets:
        match rule:
            case TopK(k=k):
                others = [label for label in range(labels) if label != target]
                if math.comb(len(others), k) > Question.MOST_CASES:
                    raise InputError(
                        f"{math.comb(len(others), k):,} sets of {k} labels can displace a target: "
                        f"more than {Question.MOST_CASES:,} cases are not written"
                    )
                for subset in combinations(others, k):
                    ahead = " ".join(f"(<= Y_{target} Y_{other})" for other in subset)
                    yield f"(and {ahead})"
            case Threshold(tau=tau):
                limit = tau[target]
                if end == "Sigmoid":
                    limit = 0.5 * (1.0 + math.tanh(0.5 * limit))
                elif end:
                    raise InputError(f"the network ends in a {end}: its outputs have no threshold")
                yield f"(and (<= Y_{target} {limit!r}))"
            case _:
                assert_never(rule)
