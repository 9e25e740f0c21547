"""Reports say what was maximised where that is not the size."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import xarray as xr
from report_cases import make_problem, make_result, make_trace
from rich.console import Console, RenderableType

from mlspec import load_spec
from mlspec.core.events import Finished
from mlspec.core.objective import OBJECTIVES
from mlspec.core.problem import Problem
from mlspec.core.trace import StopReason
from mlspec.preflight import ModelSize, SolverPlan
from mlspec.report.comparison import comparison
from mlspec.report.figure import draw
from mlspec.report.live import LiveProgress
from mlspec.report.numbers import above, below
from mlspec.report.plan import plan
from mlspec.report.table import summary
from mlspec.report.words import gap
from mlspec.results import differences, value_of

OTHERS = {"max_min": "min eps/w", "log_volume": "geometric mean eps"}


def printed(what: RenderableType) -> str:
    console = Console(file=StringIO(), width=80)
    console.print(what)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    return text


def result(name: str) -> xr.Dataset:
    return make_result(replace(make_problem(), aim=name))


def planned(problem: Problem) -> RenderableType:
    ahead = SolverPlan("highs 1.15", "cpu", ModelSize(np.zeros(6), 10, 5), "")
    return plan("known", problem, 1e-7, load_spec("specs/small.yaml"), ahead)


def test_the_plan_says_what_is_maximised() -> None:
    assert "weighted_sum: sum of weight × epsilon" in printed(planned(make_problem()))


@pytest.mark.parametrize("name", OTHERS)
def test_a_summary_says_value_bound_and_size(name: str) -> None:
    ds = result(name)
    value, bound = value_of(ds)
    assert value == float(OBJECTIVES[name](ds["weight"].values).values(ds["epsilon"].values))
    assert gap(ds) == pytest.approx(bound / value - 1.0)
    text = printed(summary(ds))
    for needed in (
        f"{name}: ",
        below(value, 4),
        above(bound, 4),
        "has a larger value",
        below(float(ds["size"]), 4),
    ):
        assert needed in text
    assert "objective" not in printed(summary(make_result()))


@pytest.mark.parametrize(("name", "symbol"), OTHERS.items())
def test_a_figure_shows_the_value_over_time(name: str, symbol: str) -> None:
    ds = result(name)
    figure = draw(ds)
    label = f"{name}: {symbol.replace('eps', 'ε')}"
    axes = next(axes for axes in figure.axes if axes.get_ylabel() == label)
    (line,) = [line for line in axes.lines if line.get_label() == "certified"]
    assert np.asarray(line.get_ydata())[-1] == value_of(ds)[0]
    assert f"{label} = {below(value_of(ds)[0], 4)}" in figure._supxlabel.get_text()  # type: ignore[attr-defined]


def test_results_of_several_objectives_stand_side_by_side() -> None:
    both = [make_result(), result("max_min")]
    text = printed(comparison(both))
    assert "max_min" in text
    assert "weighted_sum" in text
    assert below(value_of(both[1])[0], 4) in text
    assert differences(both) == ["objective"]
    assert "objective" not in printed(comparison(both[:1] * 2))


@pytest.mark.parametrize(("name", "symbol"), OTHERS.items())
def test_progress_is_told_in_terms_of_the_objective(name: str, symbol: str) -> None:
    problem = replace(make_problem(), aim=name)
    trace = make_trace(problem)
    screen = Console(file=StringIO(), width=200)
    with LiveProgress(screen, problem, 60.0, "known") as watch:
        watch(trace, Finished(StopReason.STALLED))
    assert isinstance(screen.file, StringIO)
    value = below(float(problem.objective.values(trace.best)), 4)
    lines = screen.file.getvalue().splitlines()
    assert lines[0].endswith(f"{symbol} = {value}")
