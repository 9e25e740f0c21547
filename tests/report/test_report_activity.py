"""What a search does, in words: every event has some, with the names of what it moves."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from report_cases import make_problem

from mlspec.core import events
from mlspec.core.events import BracketingLayer, CertifyingLayers, Event, Finished, Proving
from mlspec.core.partitions import GRID
from mlspec.core.trace import Move, StopReason
from mlspec.report.activity import activity

PROBLEM = make_problem()
EPS = np.full(PROBLEM.layering.count, 0.125)
EVENTS: tuple[Event, ...] = (
    events.Proving(EPS, Move.CEGIS),
    events.Certified(EPS, Move.BOUNDS),
    events.StartingGrowth(EPS),
    events.Growing(EPS),
    events.StartingSlp(EPS),
    events.SolvedSlpStep(EPS),
    events.MinimisingMargin(EPS),
    events.AttackingBeforeProof(EPS),
    events.BracketingPath(EPS),
    events.BracketingLayer(1),
    events.CertifyingLayers((0, 2)),
    events.LoweringUpperBound(0.5),
    events.RefutingSlice(0.5),
    events.Finished(StopReason.STALLED),
)


def test_every_event_has_words_of_its_own() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    said = [activity(event, PROBLEM) for event in EVENTS]
    assert len(set(said)) == len(said)
    value = f"{PROBLEM.objective.symbol} = {float(PROBLEM.objective.values(EPS)):.4g}"
    for event, words in zip(EVENTS, said, strict=True):
        assert words
        assert words == words.strip()
        if hasattr(event, "eps") or hasattr(event, "goal"):
            assert value in words


@pytest.mark.parametrize("reason", StopReason)
def test_every_end_has_words(reason: StopReason) -> None:
    words = activity(Finished(reason), PROBLEM)
    assert words
    assert "maximal" not in words


def test_parts_are_called_by_their_names() -> None:
    layering = replace(
        PROBLEM.layering,
        kind=GRID,
        names=tuple(f"rows {d}-{d}" for d in range(PROBLEM.layering.layers)),
    )
    problem = replace(PROBLEM, layering=layering)
    assert "box at rows 1-1" in activity(BracketingLayer(1), problem)
    group = activity(CertifyingLayers((2, 0)), problem)
    assert "2 epsilons (box at rows 0-0 to box at rows 2-2)" in group
    assert "(box at rows 2-2)" in activity(Proving(EPS, Move.GROUP, (2,)), problem)
    assert "layer" not in group
