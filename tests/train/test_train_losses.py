"""The losses and margins, against their definitions written out."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.train.losses import LOSSES, all_margin, any_margin, bce, ranking

SCORES = st.lists(st.integers(-8, 8), min_size=5, max_size=5).map(
    lambda values: torch.tensor([values], dtype=torch.float64) / 2
)
PRESENT = st.permutations([1.0, 1.0, 0.0, 0.0, 0.0]).map(
    lambda values: torch.tensor([values], dtype=torch.float64)
)


def parted(scores: torch.Tensor, present: torch.Tensor) -> tuple[list[float], list[float]]:
    pairs = list(zip(scores[0].tolist(), present[0].tolist(), strict=True))
    return [f for f, y in pairs if y], [f for f, y in pairs if not y]


@given(scores=SCORES, present=PRESENT)
@settings(deadline=None)
def test_losses_are_what_they_say(scores: torch.Tensor, present: torch.Tensor) -> None:
    targets, competitors = parted(scores, present)
    pairs = sum(math.exp(n - p) for p in targets for n in competitors)
    assert float(ranking(scores, present)) == pytest.approx(math.log1p(pairs))
    entropies = [math.log1p(math.exp(-p)) for p in targets]
    entropies += [math.log1p(math.exp(n)) for n in competitors]
    assert float(bce(scores, present)) == pytest.approx(sum(entropies) / 5)


@given(scores=SCORES, present=PRESENT)
@settings(deadline=None)
def test_margins_are_positive_iff_labels_are_in_the_top_two(
    scores: torch.Tensor, present: torch.Tensor
) -> None:
    targets, competitors = parted(scores, present)
    beaten_by = [sum(other >= t for other in targets + competitors) - 1 for t in targets]
    assert (float(all_margin(scores, present)) > 0) == all(count < 2 for count in beaten_by)
    reached_by = sum(competitor >= max(targets) for competitor in competitors)
    assert (float(any_margin(scores, present)) > 0) == (reached_by < 2)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_losses_survive_extreme_scores(loss: object) -> None:
    scores = torch.tensor([[1e4, -1e4, 1e4, -1e4]], requires_grad=True)
    value = loss(scores, torch.tensor([[0.0, 1.0, 1.0, 0.0]]))  # type: ignore[operator]
    value.backward()
    assert torch.isfinite(value)
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
