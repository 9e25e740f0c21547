"""Saves a search while it runs."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import xarray as xr

from mlspec.core.events import Event
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import Watcher
from mlspec.core.trace import Trace
from mlspec.errors import DataError, SaveWarning
from mlspec.results.dataset import Provenance, to_dataset
from mlspec.results.store import save


class Saver:
    """A ``Watcher`` that passes news of a search on, and saves what is certified as it grows.

    A place that has become unwritable is warned of once: it may be writable again at the end.
    """

    every: ClassVar[float] = 2.0
    """Seconds between saves while a search improves."""
    path: Path | None = None
    """Where to. What is there is not touched before an earlier result is proved again."""

    def __init__(self, problem: Problem, provenance: Provenance, watch: Watcher | None) -> None:
        self._problem = problem
        self._provenance = provenance
        self._watch = watch
        self._saved: Array | None = None
        self._saved_at = -np.inf
        self._failed = False

    def __call__(self, trace: Trace, event: Event) -> None:
        """Take note of ``trace``, and pass on what comes next."""
        if self._watch is not None:
            self._watch(trace, event)
        now = time.monotonic()
        due = trace.best is not self._saved and now - self._saved_at > self.every
        if self.path is not None and due:
            self._saved, self._saved_at = trace.best, now
            try:
                save(self.dataset(trace), self.path)
            except DataError as error:
                if not self._failed:
                    warnings.warn(f"{error}; the search goes on", SaveWarning, stacklevel=2)
                self._failed = True

    def dataset(self, trace: Trace) -> xr.Dataset:
        """Return the result as far as it is known."""
        return to_dataset(self._problem, trace, self._provenance)
