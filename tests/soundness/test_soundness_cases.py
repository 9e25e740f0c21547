"""The cases are what they claim to be: their margins and ranges hold, by other means as well."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume
from law import law
from oracles import ORACLE_ERROR, TooManyCellsError, level, points
from plain import plain_margin, plain_scores

from mlspec.core import forward
from soundness import exact
from soundness.asking import Answer, Mode
from soundness.cases import FAMILIES, REPLAY_ERROR, Case, cases, random_case
from soundness.examples import BY_HAND, FOUND
from soundness.records import load, save

SOME = range(300)


@law(cases(), quick=40, deep=4000)
def test_the_known_image_lies_inside_and_has_the_margin_that_is_said(case: Case) -> None:
    problem, image = case.problem, case.image
    box = problem.neighborhood(case.eps).box
    assert np.all((box.lower <= image) & (image <= box.upper))
    plain = plain_margin(problem.property, plain_scores(problem.network, image))
    assert abs(problem.margin(image[None])[0] - case.margin) <= REPLAY_ERROR
    assert abs(plain - case.margin) <= REPLAY_ERROR
    assert case.robust == (case.margin > 0)


@law(cases(), quick=15, deep=1500)
def test_the_enumeration_agrees(case: Case) -> None:
    problem = case.problem
    try:
        found = level(problem.network, problem.neighborhood(case.eps).box, problem.property)
    except TooManyCellsError:
        assume(False)
        raise
    assert found.margin <= float(case.margin) + ORACLE_ERROR
    if case.floor is not None:
        assert found.margin >= float(case.floor) - ORACLE_ERROR


@law(cases(), quick=20, deep=2000)
def test_no_sample_has_a_smaller_margin_than_is_said(case: Case) -> None:
    problem = case.problem
    rng = np.random.default_rng(case.seed)
    images = points(problem.neighborhood(case.eps).box, rng, 200)
    margins = problem.margin(images)
    if case.floor is not None:
        assert margins.min() >= float(case.floor) - REPLAY_ERROR


def test_samples_miss_most_planted_images() -> None:
    planted = [case for case in map(random_case, SOME) if case.family == "planted"]
    missed = 0
    for case in planted:
        images = case.problem.neighborhood(case.eps).sample(np.random.default_rng(0), 100)
        assert case.problem.margin(case.problem.image[None])[0] > 0.0
        missed += bool((case.problem.margin(images) > 0.0).all())
    assert missed > len(planted) / 2


def test_cases_are_of_all_kinds_and_the_same_each_time() -> None:
    drawn = [random_case(seed) for seed in SOME]
    assert {case.family for case in drawn} == set(FAMILIES)
    assert {case.place for case in drawn} == {"corner", "face", "interior"}
    widths = [case.width for case in drawn if case.family == "planted"]
    assert min(widths) < 1e-5 < 1e-3 < max(widths) <= 1e-2
    depths = [-case.margin for case in drawn if not case.robust]
    assert 1e-9 < min(depths) < 1e-6 < 1e-2 < max(depths) < 0.11
    assert sum(depth > 1e-4 for depth in depths) > len(depths) / 2
    assert min(case.floor for case in drawn if case.floor is not None) < 1e-6
    again = random_case(7)
    assert again.problem.network.digest == drawn[7].problem.network.digest
    assert again.margin == drawn[7].margin


@pytest.mark.parametrize("seed", range(20))
def test_a_case_outlives_its_generator_as_a_file(seed: int, tmp_path: Path) -> None:
    case = random_case(seed)
    answer = Answer("highs", Mode.LEVEL, "alpha", "exact", seconds=0.5, wrong="too high")
    save(case, answer, tmp_path / "new" / "case.json")
    read, answered = load(tmp_path / "new" / "case.json")
    assert answered == answer
    assert answered.mode is Mode.LEVEL
    assert read.problem.network.digest == case.problem.network.digest
    assert (read.margin, read.floor, read.place) == (case.margin, case.floor, case.place)
    assert read.problem.property == case.problem.property
    box, same = (each.problem.neighborhood(each.eps).box for each in (case, read))
    assert np.array_equal(box.lower, same.lower)
    assert np.array_equal(box.upper, same.upper)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_files_of_cases_say_what_is_true(path: Path) -> None:
    case, answer = load(path)
    assert answer.wrong
    problem = case.problem
    assert exact.margin(problem.network, problem.property, case.image) == case.margin


@pytest.mark.parametrize("name", BY_HAND)
def test_cases_written_by_hand_violate_by_what_they_say(name: str) -> None:
    case = BY_HAND[name]
    assert case.problem.margin(case.problem.image[None])[0] > 0.0
    assert case.margin == pytest.approx(Fraction(case.problem.margin(case.image[None])[0]))
    assert -0.011 < case.margin < -0.001


def test_rational_scores_are_those_of_the_forward_pass() -> None:
    for case in map(random_case, range(100)):
        network, image = case.problem.network, case.image
        found = exact.scores(network, image).astype(float)
        np.testing.assert_allclose(
            found, forward.scores(network, image[None])[0], atol=REPLAY_ERROR
        )
