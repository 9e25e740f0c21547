"""What a solver returned, checked before anything is made of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlspec.backends.engine import RunEnd
from mlspec.backends.program import LinearProgram
from mlspec.milp.model import Termination


def failure(error: BaseException) -> RunEnd:
    """Return the outcome of a run that raised ``error``."""
    said = str(error).partition("\n")[0]
    if isinstance(error, MemoryError):
        said = "it needs more memory than there is"
    return RunEnd(Termination.FAILED, None, None, said or type(error).__name__)


def checked(outcome: object, program: LinearProgram, *, certifies: bool) -> RunEnd:
    """Return ``outcome``, or FAILED where no solver may return such a thing: another type, a point
    that is not ``(n,)`` finite numbers, a bound that is no number.

    What an engine that does not certify calls certified is its claim. Points outside the bounds of
    their variables pass: images are moved into their neighborhood and replayed.
    """
    if not isinstance(outcome, RunEnd) or not isinstance(outcome.termination, Termination):
        return _nonsense(f"it returned {outcome!r:.80}")
    values, bound = outcome.values, outcome.bound
    if values is not None:
        wrong = _wrong_values(values, program.columns)
        if wrong:
            return _nonsense(wrong)
    if bound is not None and (not isinstance(bound, float | int | np.number) or np.isnan(bound)):
        return _nonsense(f"its bound is {bound!r:.80}")
    return outcome if certifies else replace(outcome, certified=False)


def _wrong_values(values: object, columns: int) -> str:
    """Return what is wrong with a point, in a few words; nothing where it is one."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        return f"its point is {type(values).__name__}, no array of numbers"
    if values.shape != (columns,):
        return f"its point has shape {values.shape}, expected ({columns},)"
    if not np.isfinite(values).all():
        return "its point holds NaN or infinite values"
    return ""


def _nonsense(said: str) -> RunEnd:
    return RunEnd(Termination.FAILED, None, None, said)
