"""Where the result of a search goes: never over a better one that answers the same question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from mlspec.core.trace import Block
from mlspec.errors import DataError, InputError
from mlspec.files import free_name
from mlspec.results.question import changed_parts
from mlspec.results.reading import per_radius, value_of
from mlspec.results.store import open_result, save


@dataclass(frozen=True, eq=False)
class Destination:
    """The file that a result is meant for, and the one that it is written to for now."""

    path: Path
    """The file that was asked for."""
    working: Path
    """Where a search saves while it runs: ``path``, or a free name beside it if an earlier result
    of the same question is in ``path``."""
    earlier: xr.Dataset | None = None
    """That earlier result."""
    replaced: str = ""
    """What of the question differs in the result that is in ``path`` and will be replaced."""

    def settle(self, ds: xr.Dataset) -> Path:
        """Save the final result and return where: in ``path``, unless what is there is better.

        Raises DataError where the place cannot be written.
        """
        if self.earlier is not None and rank(self.earlier) > rank(ds):
            save(ds, self.working)
            return self.working
        save(ds, self.path)
        if self.working != self.path:
            self.working.unlink(missing_ok=True)
        return self.path


def destination(path: Path, unsolved: xr.Dataset, *, force: bool = False) -> Destination:
    """Return where the result of a search goes that begins with ``unsolved``, the dataset of its
    question before any step.

    What is in ``path`` is replaced if it answers another question, or if ``force``; of the same
    question only by a result that is at least as good. Raises InputError where ``path`` holds what
    is no result, unless ``force``.
    """
    if force or not path.exists():
        return Destination(path, path)
    try:
        earlier = open_result(path)
    except DataError as error:
        raise InputError(
            f"{error}; it is not replaced: give another place, or --force to replace it"
        ) from error
    other = changed_parts(earlier, unsolved)
    if other:
        return Destination(path, path, replaced=f"it differs in {', '.join(other)}")
    if not value_of(earlier)[0] > 0.0:
        return Destination(path, path)
    return Destination(path, free_name(path), earlier)


def rank(ds: xr.Dataset) -> tuple[float, float, int]:
    """Return what makes a result better than another of the same question: the certified value of
    the objective, then the size, then how many layers are known to be blocked."""
    blocks = per_radius(ds, "blocked_by")
    blocked = int(np.count_nonzero(blocks != Block.BUDGET.value))
    return value_of(ds)[0], float(ds["size"]), blocked
