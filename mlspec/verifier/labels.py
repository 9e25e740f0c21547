"""Always, never or either: how all labels of a classifier stand within one neighborhood.

On the image at the centre every label is predicted or not, so one question per label is left: does
that hold throughout? Bounds, attacks and images serve all labels at once, from cheap to dear:

1. CROWN, one pass over the network for the claims of all labels and the order of all pairs;
2. an attack on what is open; its images are looked at for every label;
3. optimised bounds for what is open still;
4. label by label: a full attack, then the complete stage, with the bounds that are there already.

*Always* and *never* rest on bounds or on dual bounds in float64, *either* on two images that were
replayed, the order on bounds alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from mlspec.attack.claim_attack import ClaimAttack
from mlspec.bounds.analysis import Analysis, Intervals, OpenClaim, opened
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.property import Claim, Property, TopK
from mlspec.core.standing import LabelRelations, LabelVerdict, Standing
from mlspec.core.verdict import Account, Outcome, Stage, Verdict
from mlspec.tolerances import MILP_MARGIN
from mlspec.verifier.label_state import LabelState, either, unknown
from mlspec.verifier.sightings import Sightings
from mlspec.verifier.stages import Stages

OUT_OF_TIME = "the time ended before it was asked"


@dataclass(frozen=True, eq=False)
class LabelSurvey:
    """Decides all labels of one problem.

    Its property has neither targets nor absent labels: the claims are made here.
    """

    problem: Problem
    stages: Stages
    """Made for ``problem``."""
    attack: ClaimAttack = field(default_factory=ClaimAttack)

    def run(self, eps: Array, deadline: Deadline = NEVER) -> LabelRelations:
        """Return how the labels stand in the neighborhood of ``eps`` ``(R,)``.

        Raises ContradictionError where an image shows what bounds exclude.
        """
        began = time.monotonic()
        seen = Sightings(self.problem)
        seen.note(self.problem.image[None])
        box = self.problem.neighborhood(eps).box
        state = LabelState(self.problem, seen, self._bounded(box, seen, deadline))
        state.settle(Stage.CROWN)
        method = self.stages.attack
        found = self.attack.find(method.context, box, state.open_claims(), method.seed, deadline)
        seen.note(found)
        state.settle(Stage.ATTACK)
        for bounder in self.stages.bounders:
            if bounder.optimises and state.is_open:
                state.bounded = bounder.analyse(box, state.analysis(), deadline)
                state.settle(bounder.stage)
        for label in state.open_labels():
            if not state.seen.both(label):  # an image of another label may have shown it
                state.verdicts[label] = self._alone(label, state, eps, box, deadline)
        lower, upper = self._scores(state.bounded.intervals)
        return LabelRelations(
            state.verdicts_of_all(),
            state.order(),
            lower,
            upper,
            seen.predicted,
            seen.missing,
            time.monotonic() - began,
        )

    def _bounded(self, box: Box, seen: Sightings, deadline: Deadline) -> Analysis:
        """Return what CROWN says of the labels' claims, and then of the order of each label."""
        crown = self.stages.crown
        known = crown.analyse(box, deadline=deadline).intervals
        claims = (*_claims(self.problem, seen), *_orders(self.problem.network.labels))
        items = (opened(claim, crown.margins(known, claim)) for claim in claims)
        return Analysis(known, tuple(items))

    def _scores(self, known: Intervals) -> tuple[Array, Array]:
        labels = self.problem.network.labels
        whole, zeros = np.eye(labels), np.zeros(labels)
        names, crown = tuple(range(labels)), self.stages.crown
        lower, upper = (
            crown.margins(known, Claim(0, rows, zeros, names, 1)) for rows in (whole, -whole)
        )
        return lower, -upper

    def _alone(
        self, label: int, state: LabelState, eps: Array, box: Box, deadline: Deadline
    ) -> LabelVerdict:
        """Decide one label by a full attack and the complete stage."""
        item, complete = state.item(label), self.stages.complete
        if deadline.passed:
            return unknown(label, self.stages.bounders[-1].stage, OUT_OF_TIME)
        asked = _asking(self.problem, label, label in state.centre)
        pgd = self.stages.attack
        attack = pgd.method.on(replace(pgd.context, problem=asked), pgd.seed)
        points = attack.find(eps, state.seen.images(), deadline)
        state.seen.note(points.images)
        if state.seen.both(label):
            return either(label, Stage.ATTACK)
        if complete is None:
            left = f"bounds leave {len(item.subsets)} subset(s) of margins open"
            return unknown(label, self.stages.bounders[-1].stage, left)
        accounts: list[Account] = []
        near = list(points.images[: self.stages.near])
        analysis = Analysis(state.bounded.intervals, (item,))
        complete = replace(complete, problem=asked)
        verdict = complete.decide(box, analysis, near, deadline, accounts)
        settled = self._label_verdict(label, verdict, state)
        if verdict.witness is None or settled.standing is not Standing.UNKNOWN:
            return settled
        # The witness ties, which does not count as predicted: one that is clear may lie elsewhere.
        deeper = Analysis(state.bounded.intervals, (_shifted(item, 2.0 * MILP_MARGIN),))
        verdict = complete.decide(box, deeper, near, deadline, accounts)
        return settled if verdict.robust else self._label_verdict(label, verdict, state)

    def _label_verdict(self, label: int, verdict: Verdict, state: LabelState) -> LabelVerdict:
        """Return what a verdict on a label's claim says of the label."""
        if verdict.witness is not None:
            state.seen.note(verdict.witness[None])
        if state.seen.both(label):
            return either(label, Stage.MILP, complete=True)
        if verdict.outcome is Outcome.ROBUST:
            return LabelVerdict(
                label,
                state.claimed(label),
                Stage.MILP,
                verdict.proof,
                verdict.margin,
                complete=True,
            )
        reason = verdict.reason or "on some image it ties with the last of the predicted labels"
        return unknown(label, Stage.MILP, reason, complete=True)


def _claims(problem: Problem, seen: Sightings) -> Iterable[Claim]:
    """Yield for each label the claim that it stays what it is at the centre."""
    rule, labels = problem.property.rule, problem.network.labels
    for label in range(labels):
        make = rule.claim if label in seen.predicted else rule.counterclaim
        yield make(label, labels)


def _orders(labels: int) -> Iterable[Claim]:
    """Yield for each label the claim that it is above all others: its margins are the pairs."""
    for label in range(labels):
        yield TopK(1).claim(label, labels)


def _asking(problem: Problem, label: int, predicted: bool) -> Problem:
    """Return the problem of one label: that it stays predicted, or stays out."""
    rule, labels = problem.property.rule, problem.network.labels
    if predicted:
        return replace(problem, property=Property(rule, (label,), labels))
    return replace(problem, property=Property(rule, (), labels, (label,)))


def _shifted(item: OpenClaim, by: float) -> OpenClaim:
    """Return the claim with larger margins: it is violated only where the first one clearly is."""
    claim = replace(item.claim, offsets=item.claim.offsets + by)
    return replace(item, claim=claim, margins=item.margins + by)
