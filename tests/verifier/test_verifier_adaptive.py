"""The order of the stages: legal, the usual one at first, and what pays later."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.core.verdict import Stage
from mlspec.verifier.adaptive import OFFERS, WEIGHT, WINDOW, Record, following, tries

EVERY = frozenset(OFFERS)
STAGES = st.sampled_from(list(OFFERS))


def order(record: Record, offered: frozenset[Stage] = EVERY, subsets: int = 1) -> list[Stage]:
    """Return the order in which stages are asked while none decides."""
    asked: list[Stage] = []
    while stage := following(record, offered, set(asked), subsets):
        asked.append(stage)
    return asked


def recorded(history: list[tuple[Stage, bool]]) -> Record:
    record = Record()
    for stage, hit in history:
        record.note(stage, hit)
    return record


histories = st.lists(st.tuples(STAGES, st.booleans()), max_size=200)


def test_at_first_the_order_is_the_usual_one() -> None:
    assert order(Record()) == [Stage.INTERVAL, Stage.CROWN, Stage.ATTACK, Stage.ALPHA]
    assert list(OFFERS) == order(Record())
    without = frozenset({Stage.INTERVAL, Stage.ATTACK})
    assert order(Record(), without) == [Stage.INTERVAL, Stage.ATTACK]


@given(histories, st.integers(0, 1000))
def test_every_order_is_legal_and_complete(history: list[tuple[Stage, bool]], subsets: int) -> None:
    asked = order(recorded(history), subsets=subsets)
    assert len(set(asked)) == len(asked)
    for number, stage in enumerate(asked):
        assert OFFERS[stage].needs <= set(asked[:number])
        assert not OFFERS[stage].useless_after & set(asked[:number])
    # Only what others have made useless may be missing.
    for stage in EVERY - set(asked):
        assert OFFERS[stage].useless_after & set(asked)


@given(histories, st.sets(STAGES))
def test_only_what_is_offered_is_asked(
    history: list[tuple[Stage, bool]], offered: set[Stage]
) -> None:
    assert set(order(recorded(history), frozenset(offered))) <= offered


@given(histories)
def test_the_same_history_gives_the_same_order(history: list[tuple[Stage, bool]]) -> None:
    assert order(recorded(history)) == order(recorded(history))


def test_attacks_come_first_where_they_decide_nearly_all() -> None:
    """So a search from above, where nearly all is violated, spends no bounds on it."""
    record = Record()
    for _ in range(WINDOW):
        for stage in order(record):
            record.note(stage, stage is Stage.ATTACK)
            if stage is Stage.ATTACK:
                break
    assert order(record).index(Stage.ATTACK) < order(record).index(Stage.CROWN)


def test_alpha_comes_before_the_attack_where_it_decides_and_little_is_open() -> None:
    record = Record()
    for _ in range(WINDOW):
        for stage in order(record):
            record.note(stage, stage is Stage.ALPHA)
            if stage is Stage.ALPHA:
                break
    asked = order(record)
    assert asked.index(Stage.ALPHA) < asked.index(Stage.ATTACK)
    many = order(record, subsets=1000)
    assert many.index(Stage.ATTACK) < many.index(Stage.ALPHA)


def test_what_is_long_past_is_forgotten() -> None:
    record = Record()
    for hit, _ in product((True, False), range(WINDOW)):
        record.note("key", hit)
    assert record.share("key") == 0.0
    assert record.share("other", 0.25) == 0.25


@given(st.lists(st.booleans(), max_size=2 * WINDOW), st.integers(1, 9))
def test_tries_never_end_and_never_exceed_what_there_is(hits: list[bool], most: int) -> None:
    record = Record()
    assert tries(record, "regions", most, 0.125) == most
    for hit in hits:
        record.note("regions", hit)
        assert 1 <= tries(record, "regions", most, 0.125) <= most
    for _ in range(WINDOW):
        record.note("regions", False)
    assert tries(record, "regions", most, 0.125) == max(1, round(most * WEIGHT / (WEIGHT + WINDOW)))


@pytest.mark.parametrize("asked", list(permutations(OFFERS)))
def test_needs_are_no_circle(asked: tuple[Stage, ...]) -> None:
    """Whatever was asked so far, something is left to ask until all is done or useless."""
    done: set[Stage] = set()
    for stage in asked:
        left = following(Record(), EVERY, done, 1)
        useful = [s for s in EVERY - done if not OFFERS[s].useless_after & done]
        assert (left is None) == (not useful)
        done.add(stage)
