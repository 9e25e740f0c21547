"""A process that decides subsets for another, which runs ``main`` in it.

Orders come in as pickles through its standard input, answers leave through its standard output. It
ends with its input, so with the process that started it, however that ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO

from mlspec.backends.parcel import Parcel
from mlspec.backends.registry import backend_of
from mlspec.backends.session import GRACE_SECONDS, ProgramSession
from mlspec.milp.model import SolveReport, Termination
from mlspec.milp.queries import SubsetQuery


@dataclass(frozen=True, eq=False)
class Order:
    """A query to answer."""

    number: int
    """Orders of one worker are numbered upwards."""
    query: SubsetQuery
    seconds: float
    parcel: Parcel | None
    """The model; None is that of the last order."""


@dataclass(frozen=True)
class Cancel:
    """Let all orders up to ``number`` end soon."""

    number: int


@dataclass(frozen=True, eq=False)
class Answer:
    """The end of an order."""

    number: int
    report: SolveReport


class Ready:
    """All is loaded: orders are begun as they come."""


class Worker:
    """Carries out orders, one at a time. Each gets a solver of its own: an answer does not depend
    on those before it."""

    def __init__(self) -> None:
        self._parcel: Parcel | None = None
        self._session: ProgramSession | None = None
        self._cancelled = 0
        self._lock = threading.Lock()

    def cancel(self, number: int) -> None:
        """Let all orders up to ``number`` end soon, from another thread."""
        with self._lock:
            self._cancelled = max(self._cancelled, number)
            if self._session is not None:
                self._session.cancel()

    def answer(self, order: Order) -> Answer:
        """Carry out an order; an error is reported as a failure."""
        try:
            report = self._solved(order)
        except Exception as error:
            report = SolveReport(Termination.FAILED, None, None, 0.0, str(error))
        with self._lock:
            self._session = None
        return Answer(order.number, report)

    def _solved(self, order: Order) -> SolveReport:
        self._parcel = order.parcel or self._parcel
        assert self._parcel is not None
        parcel = self._parcel
        session = backend_of(parcel.profile).open_program(
            parcel.model, parcel.program, parcel.layout
        )
        with self._lock:
            self._session = session
            if order.number <= self._cancelled:
                session.cancel()
        return session.solve(order.query.subset, order.seconds, order.query.guide)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer what comes from ``source`` until it ends; returns when the work in progress has
    stopped, or will not."""
    worker, orders = Worker(), queue.Queue[Order | None]()
    idle = threading.Event()

    def work() -> None:
        _send(sink, Ready())
        while (order := orders.get()) is not None:
            _send(sink, worker.answer(order))
        idle.set()

    threading.Thread(target=work, daemon=True).start()
    newest = 0
    try:
        while True:
            message = pickle.load(source)
            if isinstance(message, Cancel):
                worker.cancel(message.number)
            else:
                newest = message.number
                orders.put(message)
    except Exception:  # the other end is gone, or says what cannot be understood
        orders.put(None)
        worker.cancel(newest)
        idle.wait(GRACE_SECONDS)


def _send(sink: BinaryIO, message: Any) -> None:
    pickle.dump(message, sink)
    sink.flush()


def main() -> None:
    """Serve the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a solver prints must not get among the answers.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, sink)
    os._exit(0)
