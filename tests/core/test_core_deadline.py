import time

import pytest

from mlspec.core.clock import WALL, WorkClock
from mlspec.core.deadline import NEVER, Deadline


def test_a_deadline_passes():
    assert not Deadline.after(60.0).passed
    assert Deadline.after(-1.0).passed
    assert 59.0 < Deadline.after(60.0).left <= 60.0


def test_never_does_not_pass_and_the_earlier_one_counts():
    assert not NEVER.passed
    assert NEVER.within(5.0).left <= 5.0
    assert Deadline.after(1.0).within(100.0).left <= 1.0


def test_only_work_makes_counted_time_pass():
    clock = WorkClock(rate=100.0)
    end = Deadline.after(2.0, clock)
    time.sleep(0.01)
    assert end.left == 2.0
    end.spend(150.0)
    assert end.left == pytest.approx(0.5)
    assert end.operations_left == pytest.approx(50.0)
    assert end.within(0.1).left == pytest.approx(0.1)
    end.spend(50.0)
    assert end.passed


def test_threads_that_work_at_the_same_time_take_the_time_of_the_longest():
    clock = WorkClock(rate=1.0)
    ends = [Deadline.after(9.0, clock).fork() for _ in range(3)]
    for number, end in enumerate(ends):
        end.spend(float(number))
        assert clock.now() == 0.0
    clock.join(*(end.clock for end in ends))
    assert clock.now() == 2.0


def test_counted_work_ends_with_the_wall_clock_too():
    end = Deadline.after(1e9, WorkClock(ends=time.monotonic() + 0.01))
    assert not end.passed
    assert end.wall_left <= 0.01
    time.sleep(0.02)
    assert end.passed


def test_the_wall_clock_counts_no_work():
    end = Deadline.after(60.0)
    end.spend(1e30)
    assert not end.passed
    assert end.fork().clock is WALL
    assert end.operations_left == float("inf")


def test_a_deadline_that_is_made_beyond_the_wall_clocks_limit_has_passed():
    clock = WorkClock(ends=time.monotonic() - 1.0)
    for end in (Deadline.after(5.0, clock), Deadline(5.0, clock), Deadline(clock=clock)):
        assert end.passed
        assert end.within(3.0).passed
        assert end.operations_left == 0.0


def test_threads_are_joined_beyond_the_wall_clocks_limit_too():
    clock = WorkClock(ends=time.monotonic() + 0.05)
    end = Deadline.after(9.0, clock).fork()
    time.sleep(0.06)
    clock.join(end.clock)
    assert Deadline.after(9.0, clock).passed
