"""A search as it runs: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Self

import numpy as np
from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mlspec.core.events import Event
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.trace import Ask, Trace
from mlspec.core.verdict import Stage
from mlspec.report.activity import activity
from mlspec.report.bars import bar_row, scale
from mlspec.report.numbers import above, below, duration


@dataclass
class _State:
    """What is shown: a copy, as the panel is drawn by a thread of its own while the trace grows."""

    best: Array
    value: float = 0.0
    bound: float = np.inf
    doing: str = "starting"
    blocked: int = 0
    queries: Counter[tuple[Ask, Stage]] = field(default_factory=Counter)


class LiveProgress:
    """A ``Watcher`` that shows a search while it runs; used as a context manager.

    ``budget_seconds`` is what the search may spend, ``name`` what it is called, ``began`` when the
    budget began to count (now if None, in ``time.monotonic()`` seconds).

    On a terminal there is a panel, which is gone at the end; the line that says when a first
    neighborhood was certified stays. Elsewhere there is a line for each improvement.
    """

    redraws_per_second: ClassVar[int] = 4
    """Of the panel."""

    def __init__(
        self,
        console: Console,
        problem: Problem,
        budget_seconds: float,
        name: str,
        began: float | None = None,
    ) -> None:
        layering = problem.layering
        self._console = console
        self._problem = problem
        self._objective = problem.objective
        self._budget = budget_seconds
        self._name = name
        self._parts = "epsilons" if layering.asymmetric else layering.kind.parts
        self._state = _State(np.zeros(layering.count))
        self._seen = 0
        self._began = time.monotonic() if began is None else began
        self._live = (
            Live(
                get_renderable=self._panel,
                console=console,
                refresh_per_second=self.redraws_per_second,
                transient=True,
            )
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, trace: Trace, event: Event) -> None:
        """Take note of ``trace``, and of what comes next."""
        state = self._state
        for query in trace.queries[self._seen :]:
            state.queries[query.ask, query.stage] += 1
        self._seen = len(trace.queries)
        state.doing, state.blocked = activity(event, self._problem), len(trace.blocked)
        state.bound = trace.objective_bound
        value = float(self._objective.values(trace.best))
        state.best = trace.best.copy()
        if value > state.value:
            first = state.value == 0.0
            state.value = value
            self._announce(first)

    def _announce(self, first: bool) -> None:
        said = self._said(self._state.value)
        if first:
            after = duration(self._elapsed)
            self._say(f"first certified neighborhood after {after}: {said}")
        elif self._live is None:
            self._say(f"{duration(self._elapsed):>12}  certified {said}")

    def _said(self, value: float) -> str:
        return f"{self._objective.symbol} = {below(value, 4)}"

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _panel(self) -> RenderableType:
        state = self._state
        body = Table.grid(padding=(0, 2))
        body.add_column(style="dim", no_wrap=True)
        body.add_column()
        body.add_row("time", f"{duration(self._elapsed)} of {duration(self._budget)}")
        body.add_row("doing", Text(state.doing, overflow="ellipsis", no_wrap=True))
        body.add_row("certified", self._certified())
        if state.value > 0.0:
            low, high = scale(state.best)
            row = bar_row(state.best, max(20, self._console.width - 24))
            span = f"{self._parts} 0-{len(state.best) - 1}, heights {low:g} to {high:g} (log)"
            body.add_row("eps", Text(row, style="cyan", no_wrap=True))
            body.add_row("", Text(f"{span}, smallest {below(state.best.min(), 3)}", style="dim"))
        asked = {ask for ask, _ in state.queries}
        for number, ask in enumerate(_shown(asked)):
            body.add_row("" if number else "queries", self._queries(ask))
        return Panel(body, title=self._name, title_align="left", border_style="dim")

    def _certified(self) -> Text:
        state = self._state
        if state.value == 0.0:
            return Text("nothing yet", style="dim")
        name, value = f"{self._objective.symbol} = ", below(state.value, 4)
        text = Text.assemble(name, (value, "bold green"))
        if np.isfinite(state.bound):
            text.append(f", at most {above(state.bound, 4)}")
        if state.blocked:
            text.append(f"; {state.blocked} of {len(state.best)} {self._parts} known to be blocked")
        return text

    def _queries(self, ask: Ask) -> Text:
        stages = {stage: self._state.queries[ask, stage] for stage in Stage}
        by = ", ".join(f"{stage.value} {count}" for stage, count in stages.items() if count)
        return Text(f"{sum(stages.values())} {ask.value}" + (f" ({by})" if by else ""))


def _shown(asked: Set[Ask]) -> list[Ask]:
    """Return the kinds of queries to count; refutations only where there were any."""
    return [ask for ask in Ask if ask in asked or ask not in (Ask.LEVEL, Ask.REFUTE)]
