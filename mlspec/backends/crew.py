"""Worker processes that decide several subsets of one model side by side.

Each is a program of its own, not a copy of this one, so no script needs a guard and nothing is
shared. They start when they are first needed, and end with the crew or with this process. A worker
that breaks off proves nothing: its query has failed. Where none can start, this process decides.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from mlspec.backends.parcel import Parcel
from mlspec.backends.session import GRACE_SECONDS, POLL_SECONDS, ProgramSession
from mlspec.backends.worker import Answer, Cancel, Order, Ready
from mlspec.milp.model import Session, SolveReport, Termination
from mlspec.milp.queries import Answers, Crew, InTurn, SubsetQuery

PROGRAM = "from mlspec.backends.worker import main; main()"
START_SECONDS = 60.0
"""A worker that is not ready by then never will be."""
WORTHWHILE_SECONDS = 3.0
"""With less time to the deadline none is started."""
STOP_SECONDS = 2 * GRACE_SECONDS
"""A worker that has not answered so long after it should have is killed."""
SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Side by side, processes do not share their work among threads too."""

Said = queue.Queue[tuple["Hand", Any]]


class Hand:
    """One worker process, seen from here."""

    def __init__(self, said: Said) -> None:
        self._process = subprocess.Popen(
            [sys.executable or "python3", "-P", "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Ctrl-C is for this process, which cancels what its workers do.
            start_new_session=True,
            env={**os.environ, **SINGLE, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self._holds: Parcel | None = None
        self.ready = False
        self.order: int | None = None
        """The number of the order it carries out."""
        self.due = time.monotonic() + START_SECONDS
        """When it must have said something."""
        threading.Thread(target=self._listen, args=(said,), daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def give(self, number: int, query: SubsetQuery, parcel: Parcel, seconds: float) -> None:
        """Let it answer ``query`` within ``seconds``."""
        self.order, self.due = number, time.monotonic() + seconds + STOP_SECONDS
        self._tell(Order(number, query, seconds, None if parcel is self._holds else parcel))
        self._holds = parcel

    def cancel(self) -> None:
        """Let it end soon what it does."""
        if self.order is not None:
            self.due = min(self.due, time.monotonic() + STOP_SECONDS)
            self._tell(Cancel(self.order))

    def kill(self) -> None:
        """End it at once; that it is gone is said as ever."""
        self._process.kill()

    def dismiss(self) -> None:
        """End it and what it has started."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it may be gone, with something for it in the buffer
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, message: Any) -> None:
        assert self._process.stdin is not None
        try:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()
        except OSError:
            self.kill()
        except BaseException:
            # Half a message must not be completed by the next.
            self.kill()
            raise

    def _listen(self, said: Said) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as source:
            try:
                while True:
                    said.put((self, pickle.load(source)))
            except Exception:  # it has ended, or says what cannot be understood
                self.kill()
                said.put((self, None))


class ProcessCrew:
    """Up to ``processes`` workers."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._hands: list[Hand] = []
        self._said: Said = queue.Queue()
        self._number = 0
        self._startable = True
        self._own = InTurn()
        weakref.finalize(self, _dismiss, self._hands)

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes that are there now."""
        return [hand.pid for hand in self._hands]

    def answers(self, session: Session, queries: Sequence[SubsetQuery], deadline: float) -> Answers:
        """Answer ``queries`` side by side, each from what ``session`` knows now.

        A portfolio, a single query, and what is due before workers are there stay in this process.
        """
        late = not self._hands and deadline - time.monotonic() < WORTHWHILE_SECONDS
        if len(queries) < 2 or not isinstance(session, ProgramSession) or late:
            yield from self._own.answers(session, queries, deadline)
            return
        parcel = session.parcel
        waiting = deque(range(len(queries)))
        running: dict[tuple[Hand, int], int] = {}
        try:
            while running or (waiting and time.monotonic() < deadline):
                self._hire(len(waiting) + len(running))
                if not self._hands:
                    break
                for hand in [each for each in self._hands if each.ready and each.order is None]:
                    if waiting and time.monotonic() < deadline:
                        number = waiting.popleft()
                        self._number += 1
                        running[hand, self._number] = number
                        seconds = deadline - time.monotonic()
                        hand.give(self._number, queries[number], parcel, seconds)
                for key, report in self._heard():
                    if key in running:
                        yield running.pop(key), report
        finally:
            for hand, _ in running:
                hand.cancel()
        left = [queries[number] for number in waiting]
        for number, report in self._own.answers(session, left, deadline):
            yield waiting[number], report

    def _hire(self, work: int) -> None:
        while self._startable and len(self._hands) < min(self._processes, work):
            try:
                self._hands.append(Hand(self._said))
            except OSError:
                self._startable = False

    def _heard(self) -> list[tuple[tuple[Hand, int], SolveReport]]:
        """Wait a moment and return which orders have ended."""
        ended = []
        try:
            hand, message = self._said.get(timeout=POLL_SECONDS)
        except queue.Empty:
            for hand in self._hands:
                if (hand.order is not None or not hand.ready) and time.monotonic() > hand.due:
                    hand.kill()
            return []
        match message:
            case Ready():
                hand.ready = True
            case Answer(number, report):
                ended.append(((hand, number), report))
                hand.order = None
            case _ if hand in self._hands:
                self._startable = self._startable and hand.ready
                self._hands.remove(hand)
                hand.dismiss()
                if hand.order is not None:
                    said = SolveReport(Termination.FAILED, None, None, 0.0, "its process ended")
                    ended.append(((hand, hand.order), said))
        return ended


def crew_of(processes: int | Literal["auto"]) -> Crew:
    """Return a crew of so many; ``auto`` is one for each core that this process may use."""
    if processes == "auto":
        affinity = getattr(os, "sched_getaffinity", None)
        processes = len(affinity(0)) if affinity else os.cpu_count() or 1
    return ProcessCrew(processes) if processes > 1 else InTurn()


def _dismiss(hands: list[Hand]) -> None:
    for hand in hands:
        hand.dismiss()
