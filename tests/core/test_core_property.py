"""Decision rules and claims by plain definitions; a tie counts as violating."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import plain_margin

from mlspec.core.property import Property, Threshold, TopK

scores_of = st.lists(
    st.one_of(st.integers(-2, 2).map(float), st.floats(-10, 10)), min_size=2, max_size=7
)


@given(scores_of, st.data())
def test_a_claim_holds_exactly_where_its_label_is_predicted(
    scores: list[float], data: st.DataObject
) -> None:
    labels = len(scores)
    k = data.draw(st.integers(1, labels - 1))
    target = data.draw(st.integers(0, labels - 1))
    batch = np.array([scores])
    for rule in (TopK(k), Threshold(tuple(data.draw(scores_of) + [0.0] * labels)[:labels])):
        claim = rule.claim(target, labels)
        margin = float(claim.margin(batch)[0])
        assert (margin > 0.0) == bool(rule.predicted(batch)[0, target])
        assert margin == plain_margin(Property(rule, (target,), labels), scores)


@given(scores_of, st.data())
def test_predicted_labels_are_those_that_fewer_than_k_others_reach(
    scores: list[float], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(scores) - 1))
    predicted = TopK(k).predicted(np.array([scores]))[0]
    for label, score in enumerate(scores):
        others = sum(other >= score for c, other in enumerate(scores) if c != label)
        assert predicted[label] == (others < k)
    assert predicted.sum() <= k


@given(scores_of, st.data())
def test_a_claim_is_violated_exactly_by_a_k_subset_of_margins(
    scores: list[float], data: st.DataObject
) -> None:
    """The margin is the smallest, over k-subsets, of the largest margin: what stages rely on."""
    labels = len(scores)
    k = data.draw(st.integers(1, labels - 1))
    claim = TopK(k).claim(data.draw(st.integers(0, labels - 1)), labels)
    margins = claim.margins(np.array([scores]))[0]
    by_subsets = min(max(margins[list(s)]) for s in combinations(range(len(margins)), k))
    assert claim.margin(np.array([scores]))[0] == by_subsets
    for row, competitor in enumerate(claim.competitors):
        assert margins[row] == scores[claim.target] - scores[competitor]


@given(scores_of, st.data())
def test_the_smallest_margins_come_first(scores: list[float], data: st.DataObject) -> None:
    labels = len(scores)
    k = data.draw(st.integers(1, labels - 1))
    claim = TopK(k).claim(data.draw(st.integers(0, labels - 1)), labels)
    margins = claim.margins(np.array([scores]))[0]
    order = claim.smallest(np.array(scores), labels)
    assert sorted(order.tolist()) == list(range(labels - 1))
    assert (np.diff(margins[order]) >= 0.0).all()
    smallest = claim.smallest(np.array(scores))
    assert smallest.tolist() == order[:k].tolist()
    assert margins[smallest].max() == claim.margin(np.array([scores]))[0]


@given(scores_of, st.data())
def test_a_property_is_as_strong_as_its_weakest_claim(
    scores: list[float], data: st.DataObject
) -> None:
    labels = len(scores)
    targets = data.draw(
        st.lists(st.integers(0, labels - 1), min_size=1, max_size=labels, unique=True)
    )
    property_ = Property(TopK(data.draw(st.integers(1, labels - 1))), tuple(targets), labels)
    batch = np.array([scores, scores[::-1]])
    margins = property_.margin(batch)
    assert margins[0] == plain_margin(property_, scores)
    assert margins[1] == plain_margin(property_, scores[::-1])
    assert [claim.target for claim in property_.claims] == targets
    weakest = property_.weakest_claim(batch[0])
    assert weakest.margin(batch[:1])[0] == margins[0]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_ties_count_as_violating(k: int) -> None:
    scores = np.array([[1.0] * (k + 1) + [0.0]])
    property_ = Property(TopK(k), (0,), k + 2)
    assert property_.margin(scores)[0] == 0.0
    assert not TopK(k).predicted(scores)[0, 0]
    assert not Threshold((1.0,) * (k + 2)).predicted(scores)[0, 0]


def test_subsets_are_those_of_the_open_margins_in_order() -> None:
    claim = TopK(2).claim(1, 5)
    open_rows = np.array([True, False, True, True])
    assert claim.subsets(open_rows) == [(0, 2), (0, 3), (2, 3)]
    assert claim.subsets(np.array([False, True, False, False])) == []


@given(scores_of, st.data())
def test_a_counterclaim_holds_only_where_its_label_is_not_predicted(
    scores: list[float], data: st.DataObject
) -> None:
    """It holds wherever the label is not predicted, but for ties, which it does not claim."""
    labels = len(scores)
    k = data.draw(st.integers(1, labels - 1))
    target = data.draw(st.integers(0, labels - 1))
    batch = np.array([scores])
    for rule in (TopK(k), Threshold(tuple(data.draw(scores_of) + [0.0] * labels)[:labels])):
        claim, counter = rule.claim(target, labels), rule.counterclaim(target, labels)
        assert np.array_equal(counter.margins(batch), -claim.margins(batch))
        margin = float(counter.margin(batch)[0])
        predicted = bool(rule.predicted(batch)[0, target])
        assert not (margin > 0.0 and predicted)
        if margin < 0.0:
            assert predicted
        asked = Property(rule, (), labels, (target,))
        assert float(asked.margin(batch)[0]) == margin
