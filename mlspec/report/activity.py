"""What a search is doing, in words."""

from __future__ import annotations

from typing import assert_never

from mlspec.core.events import (
    AttackingBeforeProof,
    BracketingLayer,
    BracketingPath,
    Certified,
    CertifyingLayers,
    Event,
    Finished,
    Growing,
    LoweringUpperBound,
    MinimisingMargin,
    OpeningProof,
    Proving,
    RefutingSlice,
    SolvedSlpStep,
    StartingGrowth,
    StartingSlp,
)
from mlspec.core.naming import part_name, parts_name
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.report.words import stop_words
from mlspec.results import move_name


def activity(event: Event, problem: Problem) -> str:
    """Return what ``event`` says a search of ``problem`` does, in a few words."""
    layering, objective = problem.layering, problem.objective

    def value(eps: Array) -> str:
        return f"{objective.symbol} = {float(objective.values(eps)):.4g}"

    match event:
        case Proving(eps, move, grown):
            return f"proving {value(eps)} ({move_name(move, grown, layering)})"
        case Certified(eps, move, grown):
            return f"certified {value(eps)} ({move_name(move, grown, layering)})"
        case StartingGrowth(eps):
            return f"computing the margin at {value(eps)}"
        case Growing(eps):
            return f"growing to {value(eps)}"
        case StartingSlp(eps):
            return f"linearising the margin at {value(eps)}"
        case SolvedSlpStep(eps):
            return f"trying {value(eps)} (linear program)"
        case MinimisingMargin(eps):
            return f"looking for the least margin at {value(eps)}"
        case AttackingBeforeProof(eps):
            return f"attacking {value(eps)} before the proof"
        case OpeningProof(ceiling):
            return f"bounds and model up to {value(ceiling)}"
        case BracketingPath(goal):
            return f"looking for the nearest violation below {value(goal)}"
        case BracketingLayer(r):
            return f"looking for how far {part_name(layering, r)} can grow alone"
        case CertifyingLayers(grown):
            return f"looking for what blocks {parts_name(layering, grown)}"
        case LoweringUpperBound(bound):
            return f"lowering the upper bound {objective.symbol} <= {bound:.4g}"
        case RefutingSlice(bound):
            return f"refuting {objective.symbol} = {bound:.4g}, piece by piece"
        case Finished(reason):
            return stop_words(reason, layering)
        case _:
            assert_never(event)
