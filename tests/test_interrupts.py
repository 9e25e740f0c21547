"""What must not be interrupted is not, and every handler comes back."""

from __future__ import annotations

import signal
import threading

import pytest

from mlspec.interrupts import SIGNALS, undisturbed


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
