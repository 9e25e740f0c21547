"""What must not be interrupted is not, and every handler comes back."""

from __future__ import annotations

import gc
import signal
import threading
import time

import pytest

from mlspec.errors import OverdueError
from mlspec.interrupts import SIGNALS, overdue_after, undisturbed


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("afterwards", [True, False])
def test_an_interruption_waits_or_is_forgotten(number: signal.Signals, afterwards: bool) -> None:
    before = signal.signal(number, signal.default_int_handler)
    done = []
    try:
        with undisturbed(afterwards=afterwards):
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("all")
        done.append("not interrupted")
    except KeyboardInterrupt:
        done.append("interrupted")
    assert signal.signal(number, before) is signal.default_int_handler
    assert done == ["all", "interrupted" if afterwards else "not interrupted"]


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_comes_after_an_error_too() -> None:
    with pytest.raises(KeyboardInterrupt), undisturbed(afterwards=True):  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        raise OSError


def test_other_threads_are_never_interrupted() -> None:
    done = []

    def work() -> None:
        with undisturbed(afterwards=True):
            done.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [before]


def test_what_takes_too_long_is_overdue() -> None:
    began = time.monotonic()
    with pytest.raises(OverdueError), overdue_after(0.05):  # noqa: PT012
        while time.monotonic() < began + 5.0:
            pass
    assert 0.5 < time.monotonic() - began < 2.0
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_what_ends_in_time_never_hears_of_it() -> None:
    with overdue_after(0.0):
        pass
    time.sleep(0.6)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_an_alarm_of_somebody_else_is_left_alone() -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        with overdue_after(0.01):
            time.sleep(0.6)
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("afterwards", [True, False])
def test_an_alarm_waits_and_is_never_forgotten(afterwards: bool) -> None:
    done = []
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(OverdueError), overdue_after(0.0):  # noqa: PT012
        with undisturbed(afterwards=afterwards):
            time.sleep(0.7)
            done.append("all")
        done.append("not overdue")
    assert done == ["all"]
    assert [signal.getsignal(each) for each in SIGNALS] == before
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_an_interruption_outweighs_an_alarm() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (  # noqa: PT012
            pytest.raises(KeyboardInterrupt) as caught,
            overdue_after(0.0),
            undisturbed(afterwards=True),
        ):
            time.sleep(0.7)
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not isinstance(caught.value, OverdueError)


class Slow:
    """Takes its time to go."""

    def __del__(self) -> None:
        time.sleep(0.7)


def test_an_alarm_is_not_lost_in_a_callback_or_a_finalizer() -> None:
    def callback(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            time.sleep(0.7)

    gc.callbacks.append(callback)
    try:
        with pytest.raises(OverdueError), overdue_after(0.0):  # noqa: PT012
            gc.collect()
            time.sleep(0.5)
    finally:
        gc.callbacks.remove(callback)
    with pytest.raises(OverdueError), overdue_after(0.0):  # noqa: PT012
        slow = Slow()
        del slow
        time.sleep(0.5)
