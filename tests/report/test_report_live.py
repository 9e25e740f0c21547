"""Live progress: plain lines off a terminal, a panel on one."""

from __future__ import annotations

import re
import time
from io import StringIO

import numpy as np
import pytest
from report_cases import make_problem, make_trace
from rich.console import Console

from mlspec.core.events import BracketingLayer, Finished, Growing, Proving
from mlspec.core.problem import Problem
from mlspec.core.trace import StopReason, Trace
from mlspec.core.verdict import Outcome
from mlspec.report.live import LiveProgress


@pytest.fixture
def problem() -> Problem:
    return make_problem()


def replay(problem: Problem, watch: LiveProgress) -> Trace:
    """Tell ``watch`` of a search as it goes, and return its trace."""
    full = make_trace(problem)
    trace = Trace(problem.layering.count)
    trace.upper_bound = trace.objective_bound = 9.87
    queries = iter(full.queries)
    for step in full.steps:
        watch(trace, Proving(step.eps, step.move))
        trace.queries += [next(queries), next(queries), next(queries)]
        trace.steps.append(step)
        if step.outcome is Outcome.ROBUST:
            trace.best = step.eps
            watch(trace, Growing(step.eps))
    trace.cuts, trace.blocked, trace.stop = full.cuts, full.blocked, full.stop
    watch(trace, Finished(StopReason.SECONDS))
    return trace


def text_of(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def console(terminal: bool, width: int = 100) -> Console:
    return Console(file=StringIO(), force_terminal=terminal, width=width)


def test_off_a_terminal_there_is_a_line_per_improvement(problem: Problem) -> None:
    screen = console(terminal=False)
    with LiveProgress(screen, problem, 60.0, "known") as watch:
        trace = replay(problem, watch)
    lines = text_of(screen).splitlines()
    robust = [step for step in trace.steps if step.outcome is Outcome.ROBUST]
    assert len(lines) == len(robust)
    assert re.match(r"first certified neighborhood after 0\.\d s: w·eps = 0\.", lines[0])
    assert all("certified w·eps = " in line for line in lines[1:])
    control = [char for char in text_of(screen) if ord(char) < 32 and char != "\n"]
    assert control == []


def test_long_lines_are_not_broken_off_a_terminal(problem: Problem) -> None:
    screen = console(terminal=False, width=30)
    with LiveProgress(screen, problem, 60.0, "known") as watch:
        replay(problem, watch)
    assert text_of(screen).startswith("first certified neighborhood after ")
    assert max(map(len, text_of(screen).splitlines())) > 30


@pytest.mark.parametrize("width", [40, 80, 140])
def test_on_a_terminal_a_panel_shows_the_search(problem: Problem, width: int) -> None:
    screen = console(terminal=True, width=width)
    watch = LiveProgress(screen, problem, 60.0, "known")
    replay(problem, watch)
    panel = Console(file=StringIO(), width=width)
    panel.print(watch._panel())
    text = text_of(panel)
    words = " ".join(re.sub("[│╭╮╰╯─]", "", text).split())
    parts = ("known", "of 1 min 00 s", "budget of", "w·eps = ", "at most 9.870", "8 complete")
    for needed in parts:
        assert needed in words
    assert max(map(len, text.splitlines())) <= width


def test_the_panel_goes_and_the_first_line_stays(problem: Problem) -> None:
    screen = console(terminal=True)
    with LiveProgress(screen, problem, 60.0, "known") as watch:
        watch(Trace(problem.layering.count), BracketingLayer(1))
        time.sleep(1.5 / LiveProgress.redraws_per_second)
        replay(problem, watch)
    text = text_of(screen)
    assert "layer 1 can grow alone" in text
    assert "first certified neighborhood after" in text


def stop_with(error: BaseException, problem: Problem, screen: Console) -> None:
    with LiveProgress(screen, problem, 60.0, "k") as watch:
        watch(Trace(problem.layering.count), Growing(np.zeros(problem.layering.count)))
        raise error


@pytest.mark.parametrize("error", [ValueError("bug"), KeyboardInterrupt("bug")])
def test_an_error_is_left_to_speak_for_itself(error: BaseException, problem: Problem) -> None:
    screen = console(terminal=False)
    with pytest.raises(type(error), match="bug"):
        stop_with(error, problem, screen)
    assert text_of(screen) == ""
