"""Which stage comes next, by what the last questions brought.

Stages are asked one after the other until one decides. That one is first saves the others' cost
wherever it decides, so of two in a row the one with the larger share of hits over its cost goes
first (Simon and Kadane 1975); the cost is that of a miss, for where one stage decides no other kind
of stage does. Shares are those of the last questions that reached a stage; costs are nominal. No
clock enters, so the same questions get the same order.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from functools import partial

from mlspec.core.verdict import Stage

WINDOW = 64
"""Questions that are remembered of each stage."""
WEIGHT = 4
"""Questions that what is believed beforehand counts for."""
SUBSET_SECONDS = 0.05
"""What alpha-CROWN costs more for each subset of rivals that is open."""


@dataclass(frozen=True)
class Offer:
    """A stage of the cascade before anything is known of the problem."""

    seconds: float
    """What it costs where it does not decide, as ``make bench`` times it on the shipped specs; only
    ratios matter."""
    hits: float
    """The share of questions that it is believed to decide."""
    needs: Set[Stage] = frozenset()
    """Stages that come before it."""
    useless_after: Set[Stage] = frozenset()
    """Stages that see all that it sees."""


OFFERS: Mapping[Stage, Offer] = {
    Stage.INTERVAL: Offer(0.001, 0.125, useless_after=frozenset({Stage.CROWN})),
    Stage.CROWN: Offer(0.015, 0.25),
    Stage.ATTACK: Offer(0.65, 0.5),
    Stage.ALPHA: Offer(0.15, 0.0625, needs=frozenset({Stage.CROWN})),
}
"""All stages whose order is free. Before anything is known it is this one."""


class Record:
    """How often things hit, of the last times that they were tried."""

    def __init__(self) -> None:
        self._last: dict[Hashable, deque[bool]] = defaultdict(partial(deque, maxlen=WINDOW))

    def note(self, key: Hashable, hit: bool) -> None:
        """Remember one try of ``key``."""
        self._last[key].append(hit)

    def share(self, key: Hashable, believed: float = 0.0) -> float:
        """Return the share of hits; before any try it is what is ``believed``."""
        last = self._last.get(key, ())
        return (WEIGHT * believed + sum(last)) / (WEIGHT + len(last))


def following(record: Record, offered: Set[Stage], done: Set[Stage], subsets: int) -> Stage | None:
    """Return the stage of ``offered`` that is asked next, after those ``done``; None if no more
    is.

    ``subsets`` of rivals are open, as far as it is known.
    """
    legal = [
        stage
        for stage, offer in OFFERS.items()
        if stage in offered - done and offer.needs <= done and not offer.useless_after & done
    ]
    return max(legal, key=lambda stage: _worth(record, stage, subsets), default=None)


def _worth(record: Record, stage: Stage, subsets: int) -> float:
    """Return the share of hits for a second."""
    offer = OFFERS[stage]
    more = SUBSET_SECONDS * subsets if stage is Stage.ALPHA else 0.0
    return record.share(stage, offer.hits) / (offer.seconds + more)


def tries(record: Record, key: Hashable, most: int, believed: float) -> int:
    """Return how often to try what hits with the share of ``key``: ``most`` times as long as that
    is at least what is ``believed``, and in proportion below, but once."""
    share = record.share(key, believed) / believed
    return max(1, min(most, round(most * share)))
