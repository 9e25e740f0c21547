"""Workers: subsets decided side by side in processes of their own, and what may go wrong there."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from backend_cases import compiled, market_split
from machines import SECONDS, solver
from test_backends_matrix import random_questions

from mlspec.backends.crew import ProcessCrew, crew_of
from mlspec.backends.session import ProgramSession
from mlspec.backends.worker import Order, Worker
from mlspec.milp.model import SolveReport, Termination
from mlspec.milp.queries import InTurn, SubsetQuery


def easy(least: int = 3) -> tuple[ProgramSession, list[SubsetQuery]]:
    """Return a small model with at least so many margins, and a query for each."""
    for question in random_questions(100):
        model = compiled(question, "interval", decision=True)
        if len(model.margins) >= least:
            return solver("highs").open(model), [SubsetQuery((r,), r) for r in model.margins]
    raise AssertionError("no question has so many margins")


def endless(count: int) -> tuple[ProgramSession, list[SubsetQuery]]:
    """Return a model that takes for ever, and the same query several times."""
    return solver("highs-mip").open(market_split()), [SubsetQuery((0,), 0)] * count


def ends(
    crew: ProcessCrew | InTurn,
    asked: tuple[ProgramSession, list[SubsetQuery]],
    seconds: float = SECONDS,
) -> dict[int, SolveReport]:
    return dict(crew.answers(*asked, time.monotonic() + seconds))


def manned() -> ProcessCrew:
    """Return a crew of two workers that are ready, both."""
    crew = ProcessCrew(2)
    crew._hire(2)
    assert until(lambda: not crew._heard() and all(hand.ready for hand in crew._hands))
    assert len(crew.pids) == 2
    return crew


def until(happens: Callable[[], bool]) -> bool:
    """Wait for something; say whether it happened."""
    end = time.monotonic() + 30.0
    while not happens() and time.monotonic() < end:
        time.sleep(0.02)
    return happens()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_processes_say_what_one_process_says_and_are_no_more_than_asked_for() -> None:
    crew = ProcessCrew(2)
    seen, pids = set(), set()
    asked = 0
    for question in random_questions(20):
        model = compiled(question, "interval", decision=True)
        queries = [SubsetQuery((row,), row) for row in model.margins]
        if len(queries) < 3:
            continue
        asked += 1
        alone = ends(InTurn(), (solver("highs").open(model), queries))
        aside = ends(crew, (solver("highs").open(model), queries))
        pids |= set(crew.pids)
        assert alone.keys() == aside.keys() == set(range(len(queries)))
        for number, report in aside.items():
            assert report.termination is alone[number].termination
            assert (report.image is None) == (alone[number].image is None)
            seen.add(report.termination)
    assert asked > 2
    assert len(pids) == 2
    assert seen == {Termination.OPTIMAL, Termination.INFEASIBLE}


def test_one_query_needs_no_other_process() -> None:
    crew = ProcessCrew(2)
    session, queries = easy()
    assert ends(crew, (session, queries[:1])).keys() == {0}
    assert crew.pids == []
    assert isinstance(crew_of(1), InTurn)
    assert isinstance(crew_of(3), ProcessCrew)


def test_what_the_session_found_goes_along() -> None:
    """Points near given images: searches begin there, and no cut may leave one out."""
    session, queries = easy()
    image = session.parcel.model.centre
    session.near(image, queries[0].subset, SECONDS, queries[0].guide)
    parcel = session.parcel
    assert len(parcel.program.known) == 1
    assert parcel.model.pyomo is None


def test_deadlines_are_kept_and_the_rest_is_not_begun() -> None:
    crew = manned()
    found = ends(crew, endless(5), 0.5)
    assert set(found) == {0, 1}
    assert {report.termination for report in found.values()} == {Termination.LIMIT}
    assert ends(crew, endless(5), -1.0) == {}


def test_who_has_heard_enough_ends_the_others() -> None:
    crew, asked = manned(), easy()
    pids = crew.pids
    session, queries = endless(3)
    with closing(crew.answers(session, queries, time.monotonic() + SECONDS)) as answers:
        os.kill(pids[0], signal.SIGKILL)
        _, report = next(answers)
    assert report.termination is Termination.FAILED
    assert set(ends(crew, asked)) == set(range(len(asked[1])))
    assert pids[1] in crew.pids


def test_an_interrupt_ends_all_and_workers_go_on_with_the_next_query(interruptible: None) -> None:
    crew, asked = manned(), easy()
    pids = crew.pids
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ends(crew, endless(2))
    timer.join()
    assert set(ends(crew, asked)) == set(range(len(asked[1])))
    assert crew.pids == pids


def test_a_worker_that_is_killed_proves_nothing_and_is_replaced() -> None:
    crew, asked = manned(), easy()
    (first, second) = crew.pids
    timer = threading.Timer(0.3, lambda: os.kill(first, signal.SIGKILL))
    timer.start()
    found = ends(crew, endless(2), 2.0)
    timer.join()
    said = {report.termination: report.message for report in found.values()}
    assert said.keys() == {Termination.FAILED, Termination.LIMIT}
    assert "process" in said[Termination.FAILED]
    assert set(ends(crew, asked)) == set(range(len(asked[1])))
    assert second in crew.pids
    assert first not in crew.pids


@pytest.mark.parametrize("program", ["false", "nothing-of-that-name"])
def test_where_no_process_starts_this_one_decides(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = easy()
    monkeypatch.setattr(sys, "executable", shutil.which(program) or program)
    crew = ProcessCrew(2)
    found = ends(crew, asked)
    assert crew.pids == []
    expected = ends(InTurn(), asked)
    assert {n: r.termination for n, r in found.items()} == {
        n: r.termination for n, r in expected.items()
    }


def test_an_error_in_a_worker_is_a_failure_with_its_words() -> None:
    session, queries = easy()
    parcel = session.parcel
    wrong = parcel.profile.model_copy(update={"options": {"no_such_option": 1}})
    order = Order(1, queries[0], SECONDS, replace(parcel, profile=wrong))
    report = Worker().answer(order).report
    assert report.termination is Termination.FAILED
    assert "no_such_option" in report.message


def test_an_order_that_was_cancelled_before_it_came_ends_at_once() -> None:
    session, queries = endless(1)
    worker = Worker()
    worker.cancel(4)
    assert worker.answer(Order(4, queries[0], SECONDS, session.parcel)).report.termination is (
        Termination.LIMIT
    )
    fresh, (query, *_) = easy()
    report = worker.answer(Order(5, query, SECONDS, fresh.parcel)).report
    assert report.termination is not Termination.LIMIT


def test_workers_end_with_their_crew() -> None:
    crew = ProcessCrew(2)
    ends(crew, easy())
    pids = crew.pids
    del crew
    gc.collect()
    assert all(gone(pid) for pid in pids)


SCRIPT = """
import sys, threading, time
sys.path[:0] = {path!r}
from backend_cases import market_split
from machines import solver
from mlspec.backends.crew import ProcessCrew
from mlspec.milp.queries import SubsetQuery

crew = ProcessCrew(2)
def tell():
    while len(crew.pids) < 2 or not all(hand.order for hand in crew._hands):
        time.sleep(0.02)
    print(*crew.pids, flush=True)
threading.Thread(target=tell, daemon=True).start()
session = solver("highs-mip").open(market_split())
list(crew.answers(session, [SubsetQuery((0,), 0)] * 2, time.monotonic() + 300.0))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(how: signal.Signals) -> None:
    """However it ends; and no worker has anything to say to the terminal."""
    script = SCRIPT.format(path=[path for path in sys.path if path])
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    with subprocess.Popen(
        [sys.executable, "-c", start + script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
    assert said.count("Traceback") == (how is signal.SIGINT)
    assert all(until(lambda pid=pid: gone(pid)) for pid in pids)  # type: ignore[misc]


def test_what_is_due_before_workers_could_be_there_is_answered_here() -> None:
    crew, asked = ProcessCrew(2), easy()
    assert set(ends(crew, asked, seconds=2.0)) == set(range(len(asked[1])))
    assert not crew.pids
