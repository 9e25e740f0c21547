"""Sentences say what the arrays say, and numbers are rounded to the safe side."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cases import make_problem, make_result, make_trace

from mlspec.core.property import Threshold, TopK
from mlspec.core.trace import Trace
from mlspec.report.bars import LEVELS, NOTHING, bar_row, scale
from mlspec.report.labels import label_change
from mlspec.report.numbers import above, below, duration, listed, near, percent
from mlspec.report.words import (
    finding,
    gap,
    the_object,
    witness_extent,
)

positive = st.floats(1e-9, 1e6)


@given(positive, st.integers(1, 5))
def test_rounding_goes_to_the_safe_side(value: float, digits: int) -> None:
    exact, unit = Decimal(repr(value)), Decimal(10) ** (1 - digits)
    assert exact * (1 - unit) <= Decimal(below(value, digits)) <= exact
    assert exact <= Decimal(above(value, digits)) <= exact * (1 + unit)
    assert abs(Decimal(near(value, digits)) - exact) <= exact * unit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.03, "0.030"),
        (0.0399, "0.039"),
        (1.0, "1.0"),
        (40.26, "40"),
        (4.09e-6, "4.0e-6"),
    ],
)
def test_certified_numbers(value: float, text: str) -> None:
    assert below(value, 2) == text


def test_numbers_of_other_kinds() -> None:
    assert above(float("inf")) == "∞"
    assert [percent(share) for share in (0.008, 0.123, float("inf"))] == ["0.8 %", "12 %", "∞"]
    times = [duration(seconds) for seconds in (0.44, 9.96, 59.4, 59.6, 245, 3725)]
    assert times == ["0.4 s", "10 s", "59 s", "1 min 00 s", "4 min 05 s", "1 h 02 min"]
    assert [listed(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def finding_of(eps: list[float]) -> str:
    problem = make_problem(len(eps))
    trace = Trace(len(eps))
    trace.best = np.array(eps)
    return finding(make_result(problem, trace))


@pytest.mark.parametrize(
    ("eps", "sentence"),
    [
        (
            [0.0399, 0.05, 0.0127],
            "label 9 stays predicted while the 3 changes by up to ±0.039; "
            "weakest: layer 2 (±0.012)",
        ),
        (
            [0.1, 0.05, 0.05],
            "label 9 stays predicted while the 3 changes by up to ±0.10; "
            "weakest: layers 1-2 (±0.050)",
        ),
        (
            [0.1, 0.0, 0.2],
            "label 9 stays predicted while the 3 changes by up to ±0.10; "
            "nothing certified for layer 1",
        ),
        (
            [0.0, 0.1, 0.2],
            "label 9 stays predicted while the surroundings of the 3 change; "
            "nothing certified for layer 0",
        ),
        (
            [0.01, 0.1, 0.2],
            "label 9 stays predicted while the 3 changes by up to ±0.010; "
            "every other layer allows more",
        ),
        (
            [0.1, 0.0, 0.1, 0.0, 0.1, 0.0, 0.0, 0.1, 0.0],
            "label 9 stays predicted while the 3 changes by up to ±0.10; "
            "nothing certified for 5 of 9 layers",
        ),
        (
            [0.10, 0.0501, 0.0502],
            "label 9 stays predicted while the 3 changes by up to ±0.10; "
            "weakest: layers 1-2 (±0.050)",
        ),
        ([1.0, 1.0], "label 9 stays predicted whatever happens to the 3"),
        ([0.0201, 0.02], "label 9 stays predicted while the 3 changes by up to ±0.020"),
        ([0.02], "label 9 stays predicted while the 3 changes by up to ±0.020"),
        (
            [0.0, 0.0],
            "nothing certified yet: label 9 stays predicted on the image as it is, "
            "and no more is known",
        ),
    ],
)
def test_findings(eps: list[float], sentence: str) -> None:
    assert finding_of(eps) == sentence


def test_several_targets_and_an_object_without_a_name() -> None:
    ds = make_result(make_problem(3, rule=TopK(2), targets=(0, 2))).assign_attrs(object_label="")
    assert the_object(ds) == "the object"
    assert finding(ds).startswith("labels 3 and 9 stay predicted while the object changes by")


def test_the_object_is_the_other_predicted_label_if_there_is_one() -> None:
    assert the_object(make_result().assign_attrs(object_label="")) == "the 3"


def test_an_object_without_a_label_goes_by_its_number() -> None:
    ds = make_result().assign_attrs(object_label="3, object 2")
    assert the_object(ds) == "the 3 and object 2"
    assert "while the 3 and object 2 change by" in finding(ds)


def test_the_witness_of_a_layer_goes_beyond_its_epsilon() -> None:
    ds = make_result()
    assert witness_extent(ds, 3) > float(ds["epsilon"][3])
    scores = ds["blocking_scores"].values[3]
    assert label_change(ds, scores).sentence == "reads 9 as 8"
    assert label_change(ds, scores).scores == [("9", 1.0, scores[2]), ("8", 0.0, scores[1])]


def test_scores_of_a_tie_are_those_of_the_target_and_of_its_rival() -> None:
    ds = make_result(make_problem(rule=TopK(1), targets=(0,)))
    tie = np.array([10.0, 10.0, 0.0])
    assert label_change(ds, tie).sentence == "loses 3"
    assert label_change(ds, tie).scores == [("3", 10.0, 10.0), ("8", 0.0, 10.0)]


def test_a_label_lost_without_another_in_its_place() -> None:
    problem = make_problem(rule=Threshold((0.5, 0.5, 0.1)))
    ds = make_result(problem, make_trace(problem))
    assert label_change(ds, ds["blocking_scores"].values[0]).sentence == "loses 9"


def test_gap() -> None:
    ds = make_result()
    assert gap(ds) == pytest.approx(0.5 + 0.1 / float(ds["size"]))
    assert gap(make_result(trace=Trace(6))) == float("inf")


def test_bar_rows_grow_with_the_radius_and_keep_the_width() -> None:
    eps = np.array([0.0, 0.001, 0.01, 0.1, 1.0])
    row = bar_row(eps, 10)
    assert row[0] == NOTHING
    assert [LEVELS.index(char) for char in row[1:]] == sorted(map(LEVELS.index, row[1:]))
    assert row[-1] == LEVELS[-1]
    assert len(bar_row(np.linspace(0.01, 1.0, 100), 30)) <= 30
    assert bar_row(np.array([0.5, 0.0, 0.5, 0.5]), 2)[0] == NOTHING
    assert scale(np.zeros(3)) == (0.001, 1.0)
    assert set(bar_row(np.zeros(3), 10)) == {NOTHING}
