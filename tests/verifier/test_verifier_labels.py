"""How labels stand: what is shared between labels, and what happens where stages fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from machines import stages

from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Claim, DecisionRule, Property, Threshold, TopK
from mlspec.core.standing import Order, Standing
from mlspec.core.verdict import Stage
from mlspec.errors import ContradictionError
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.verifier.labels import LabelSurvey

RANGES = (5.0, 3.0, 2.0, -1.0)
"""Scores at the image; each label's own pixel moves its score by as much as it moves itself."""


def problem(rule: DecisionRule, steps: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)) -> Problem:
    """Return a problem of four labels, each with a pixel of its own."""
    network = Network(
        (Flatten(), Linear(np.diag(steps), np.array(RANGES) - 0.5 * np.array(steps))), (1, 1, 4)
    )
    layering = Layering(np.zeros((1, 4), dtype=np.int64), 1)
    image, mask = np.full((1, 1, 4), 0.5), np.ones((1, 4), dtype=bool)
    names = ("a", "b", "c", "d")
    return Problem(network, image, mask, layering, Property(rule, (), 4), np.ones(1), names)


def survey(asked: Problem, **changes: Any) -> LabelSurvey:
    return LabelSurvey(asked, replace(stages(asked, "alpha"), **changes))


def standings(asked: Problem, eps: float) -> str:
    found = survey(asked).run(np.array([eps]))
    return "".join(verdict.standing.value[0] for verdict in found.verdicts)


@pytest.mark.parametrize(
    ("rule", "steps", "eps", "expected"),
    [
        (TopK(2), (1.0,) * 4, 0.4, "aann"),
        (TopK(2), (2.0,) * 4, 0.4, "aeen"),
        (TopK(1), (1.0,) * 4, 0.5, "annn"),
        (TopK(3), (1.0,) * 4, 0.5, "aaan"),
        (Threshold((1.0, 3.1, 2.5, 0.0)), (1.0,) * 4, 0.2, "aenn"),
        (Threshold((4.9, 2.9, 1.5, -2.0)), (1.0,) * 4, 0.4, "eeaa"),
    ],
)
def test_labels_stand_as_they_are_made(
    rule: DecisionRule, steps: tuple[float, ...], eps: float, expected: str
) -> None:
    assert standings(problem(rule, steps), eps) == expected


def test_the_order_is_proved_where_intervals_are_apart() -> None:
    found = survey(problem(TopK(2), (2.0, 2.0, 1.0, 1.0))).run(np.array([0.4]))
    proved = found.order == Order.PROVED
    assert np.argwhere(proved).tolist() == [[0, 1], [0, 2], [0, 3], [1, 3], [2, 3]]
    assert found.order[1, 2] == Order.REFUTED
    assert np.all(found.order[np.tril_indices(4)] == Order.REFUTED)
    assert found.scores_lower == pytest.approx([4.2, 2.2, 1.6, -1.4])
    assert found.scores_upper == pytest.approx([5.8, 3.8, 2.4, -0.6])


def test_a_tie_is_neither_predicted_nor_proved() -> None:
    """At eps 0.5 the third label just reaches the second: on no image is it among the two."""
    found = survey(problem(TopK(2))).run(np.array([0.5]))
    verdict = found.verdicts[2]
    assert verdict.standing is Standing.UNKNOWN
    assert "tie" in verdict.reason
    assert 2 not in found.predicted
    assert found.verdicts[1].standing is Standing.EITHER


@dataclass(frozen=True, eq=False)
class Lying:
    """CROWN bounds that are too high for one label."""

    honest: Any

    def analyse(self, *args: Any, **kwargs: Any) -> Any:
        return self.honest.analyse(*args, **kwargs)

    def margins(self, known: Any, claim: Claim) -> Array:
        return np.asarray(self.honest.margins(known, claim) + 10.0 * (claim.target == 1))


def test_an_image_that_contradicts_a_proof_is_an_error_with_evidence() -> None:
    asked = problem(TopK(2), (2.0,) * 4)
    crown = Lying(stages(asked, "alpha").crown)
    with pytest.raises(ContradictionError, match="label 1 is always predicted") as caught:
        survey(asked, crown=crown).run(np.array([0.4]))
    assert {"predicted", "missing"} == set(caught.value.evidence)


def test_without_time_everything_is_unknown_with_its_reason() -> None:
    asked = problem(TopK(2), (2.0,) * 4)
    found = survey(asked).run(np.array([0.4]), Deadline.after(-1.0))
    by_standing = {verdict.standing for verdict in found.verdicts}
    assert by_standing <= {Standing.UNKNOWN, Standing.ALWAYS, Standing.NEVER, Standing.EITHER}
    for verdict in found.verdicts:
        if verdict.standing is Standing.UNKNOWN:
            assert "time" in verdict.reason


def test_without_a_complete_stage_bounds_have_the_last_word() -> None:
    found = survey(problem(TopK(2)), complete=None).run(np.array([0.5]))
    verdict = found.verdicts[2]
    assert verdict.standing is Standing.UNKNOWN
    assert verdict.stage is Stage.ALPHA
    assert "subset(s) of margins open" in verdict.reason
