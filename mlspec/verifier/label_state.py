"""The questions about all labels of one neighborhood, and what is known of each so far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mlspec.bounds.analysis import Analysis, OpenClaim
from mlspec.core.problem import Problem
from mlspec.core.property import Claim
from mlspec.core.standing import LabelVerdict, Order, Standing
from mlspec.core.verdict import Proof, Stage
from mlspec.errors import ContradictionError
from mlspec.verifier.sightings import Sightings


class LabelState:
    """The questions about all labels, and what is known of each."""

    def __init__(self, problem: Problem, seen: Sightings, bounded: Analysis) -> None:
        self._labels = problem.network.labels
        self.seen = seen
        self.centre = frozenset(seen.predicted)
        """The labels that are predicted at the centre."""
        self.bounded = bounded
        """The claim of each label, then the order of each label, as far as they are bounded."""
        self.verdicts: dict[int, LabelVerdict] = {}

    @property
    def is_open(self) -> bool:
        """Whether bounds could still decide anything."""
        return any(item.subsets for item in self.analysis().claims)

    def claimed(self, label: int) -> Standing:
        """Return how the label stands if what holds at the centre holds throughout."""
        return Standing.ALWAYS if label in self.centre else Standing.NEVER

    def item(self, label: int) -> OpenClaim:
        """Return what bounds say of the label's claim."""
        return self.bounded.claims[label]

    def open_labels(self) -> list[int]:
        """Return the labels that are not decided."""
        return [label for label in range(self._labels) if label not in self.verdicts]

    def open_claims(self) -> list[Claim]:
        """Return the claims that attacks target: those of open labels, and of open pairs."""
        claims = [self.item(label).claim for label in self.open_labels()]
        for item in self.analysis().claims[self._labels :]:
            for (row,) in item.subsets:
                one = replace(
                    item.claim,
                    rows=item.claim.rows[[row]],
                    offsets=item.claim.offsets[[row]],
                    competitors=item.claim.competitors[row : row + 1],
                )
                claims.append(one)
        return claims

    def analysis(self) -> Analysis:
        """Return the bounds, with what was decided otherwise closed."""
        labels, orders = self.bounded.claims[: self._labels], self.bounded.claims[self._labels :]
        still = (
            replace(item, subsets={}) if label in self.verdicts else item
            for label, item in enumerate(labels)
        )
        pairs = (
            replace(
                item,
                subsets={row: low for row, low in item.subsets.items() if self._fit(item, row[0])},
            )
            for item in orders
        )
        return Analysis(self.bounded.intervals, (*still, *pairs))

    def settle(self, stage: Stage) -> None:
        """Note the verdicts that ``stage`` allows."""
        for label in self.open_labels():
            item = self.item(label)
            if self.seen.both(label):
                self.verdicts[label] = either(label, Stage.ATTACK)
            elif not item.subsets:
                self.verdicts[label] = LabelVerdict(
                    label, self.claimed(label), stage, Proof.BOUNDS, item.margin
                )

    def verdicts_of_all(self) -> tuple[LabelVerdict, ...]:
        """Return the verdicts in the order of the labels; raises ContradictionError where an image
        shows the opposite of what was proved."""
        for label in range(self._labels):
            both = self.seen.both(label)
            found = self.verdicts.get(label)
            if found is None or (both and found.standing is Standing.UNKNOWN):
                self.verdicts[label] = either(label, Stage.ATTACK)
            elif both and found.standing is not Standing.EITHER:
                raise self._contradiction(label, found)
        return tuple(self.verdicts[label] for label in range(self._labels))

    def order(self) -> NDArray[np.int8]:
        """Return an ``Order`` for each pair of labels ``(M, M)``."""
        order = np.where(self.seen.reached, Order.REFUTED, Order.OPEN).astype(np.int8)
        for item in self.bounded.claims[self._labels :]:
            left_open = {row for (row,) in item.subsets}
            for row, other in enumerate(item.claim.competitors):
                if row not in left_open and not self.seen.reached[item.claim.target, other]:
                    order[item.claim.target, other] = Order.PROVED
        return order

    def _fit(self, item: OpenClaim, row: int) -> bool:
        """Say whether no image is known on which the label of ``item`` is not above another."""
        return not self.seen.reached[item.claim.target, item.claim.competitors[row]]

    def _contradiction(self, label: int, found: LabelVerdict) -> ContradictionError:
        error = ContradictionError(
            f"stage '{found.stage}' certified that label {label} is {found.standing} predicted, "
            "but two images show both: one of them is wrong, so nothing is certified; please "
            "report the saved evidence"
        )
        images = {"predicted": self.seen.predicted[label], "missing": self.seen.missing[label]}
        error.evidence = images
        return error


def either(label: int, stage: Stage, complete: bool = False) -> LabelVerdict:
    """Return the verdict on a label of which both kinds of images are known."""
    return LabelVerdict(label, Standing.EITHER, stage, Proof.REPLAY, complete=complete)


def unknown(label: int, stage: Stage, reason: str, complete: bool = False) -> LabelVerdict:
    """Return the verdict on a label that no stage could decide."""
    return LabelVerdict(
        label, Standing.UNKNOWN, stage, Proof.NONE, reason=reason, complete=complete
    )
