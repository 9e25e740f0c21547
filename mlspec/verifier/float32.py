"""Decides a neighborhood for the network as it computes in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from mlspec.bounds.float32 import float32_errors, with_float32
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, Proof, Stage, Verdict


def verify_in_float32(
    problem: Problem, eps: Array, decide: Callable[[Problem], Verdict]
) -> Verdict:
    """Decide ``eps`` ``(R,)`` of ``problem`` for float32 scores, by questions of the exact ones.

    ROBUST: no image is violated by any float32 evaluation. VIOLATED: its witness is by all of them.
    An image nearer to the boundary than the float32 error leaves it UNKNOWN.
    """
    properties = with_float32(problem, problem.neighborhood(eps).box)
    if properties is None:
        return _unknown(Stage.INTERVAL, "float32 may overflow within the neighborhood")
    holds, fails = properties
    verdict = decide(replace(problem, property=holds))
    match verdict.outcome:
        case Outcome.ROBUST | Outcome.UNKNOWN:
            return verdict
        case Outcome.VIOLATED:
            surely = decide(replace(problem, property=fails))
        case _:
            assert_never(verdict.outcome)
    if surely.outcome is not Outcome.VIOLATED or surely.witness is None:
        reason = "an image is nearer to the decision boundary than the float32 error"
        return replace(_unknown(verdict.stage, reason), seconds=verdict.seconds + surely.seconds)
    return replace(surely, margin=float(problem.margin(surely.witness[None])[0]))


def score_error(problem: Problem, eps: Array) -> float:
    """Return by how much float32 may change a score over the neighborhood ``eps`` ``(R,)``."""
    return float(float32_errors(problem, problem.neighborhood(eps).box).max())


def _unknown(stage: Stage, reason: str) -> Verdict:
    return Verdict(Outcome.UNKNOWN, stage, reason=reason, proof=Proof.NONE)
