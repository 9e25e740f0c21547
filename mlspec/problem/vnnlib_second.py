"""Properties in VNN-LIB 2.0, read by the official package."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np

from mlspec.errors import InputError
from mlspec.problem.vnnlib_text import Constraint, Question, product


def parse_second(text: str) -> Question:
    """Return what a text in VNN-LIB 2.0 asks for, of one network; its numbers are float64.

    Raises InputError for anything else, and where the package ``vnnlib`` is not installed.
    """
    try:
        vnnlib = import_module("vnnlib")
    except ImportError:
        raise InputError(
            "VNN-LIB 2.0 is read by the package vnnlib: pip install 'mlspec[vnnlib]'"
        ) from None
    try:
        query = vnnlib.parse_query_string(text)
        cases = [
            [tuple(map(_constraint, case)) for case in assertion.expr.to_dnf()]
            for assertion in query.assertions
        ]
    except vnnlib.VNNLibException as error:
        raise InputError(f"the package vnnlib does not read it: {error}") from None
    if len(query.networks) != 1:
        raise InputError(f"it asks about {len(query.networks)} networks: only one is supported")
    (network,) = query.networks
    if len(network.inputs) != 1 or len(network.outputs) != 1 or network.hidden:
        raise InputError("only networks of one input and one output are supported")
    inputs, outputs = (
        int(np.prod(each[0].shape, dtype=np.int64)) for each in (network.inputs, network.outputs)
    )
    return Question(inputs, outputs, tuple(product(cases)))


def _constraint(comparison: Any) -> Constraint:
    left, right = (_side(each.to_linear_expr()) for each in (comparison.lhs, comparison.rhs))
    match type(comparison).__name__:
        case "LessEqual":
            return left.plus(right, Fraction(-1))
        case "GreaterEqual":
            return right.plus(left, Fraction(-1))
        case kind:
            raise InputError(f"{kind} is not supported: only <= and >= are, which include the end")


def _side(expression: Any) -> Constraint:
    total = Constraint({}, Fraction(expression.constant))
    for term in expression.terms:
        place = np.ravel_multi_index(term.var.indices, term.var.shape) if term.var.shape else 0
        kind = "X" if term.var.kind.name == "Input" else "Y"
        part = Constraint({f"{kind}_{place}": Fraction(term.coeff)}, Fraction(0))
        total = total.plus(part, Fraction(1))
    return total
