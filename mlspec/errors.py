"""Every error a user can meet, each with the exit code its kind leads to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class ExitCode(IntEnum):
    """What a command tells the shell."""

    DONE = 0
    BAD_NEWS = 1
    """The answer is one that a script must notice: violated, unknown, nothing certified."""
    USAGE = 2
    """A mistake in the spec or on the command line, or a place that cannot be written."""
    SOLVER = 3
    """A solver is missing, over its licence, or failed; or two stages contradict each other."""
    INTERNAL = 70
    """An error of mlspec itself."""
    INTERRUPTED = 130
    """By Ctrl-C or SIGTERM; the result so far is saved."""


class MlspecError(Exception):
    """Base of all expected errors: the message names the thing, shows the value and says the
    fix."""

    exit_code = ExitCode.USAGE


class SpecError(MlspecError):
    """A spec, or a file it names, is wrong; the message starts with ``FILE:LINE:COL: path:``."""


class InputError(MlspecError):
    """An argument outside a spec (a command-line value, an API argument) is wrong."""


class ResumeError(MlspecError):
    """An earlier result could not be proved again: the search that was to go on from it did not
    begin."""

    exit_code = ExitCode.BAD_NEWS


class DataError(MlspecError):
    """A dataset or an image file is missing or malformed."""


class NetworkError(MlspecError):
    """A classifier file is unreadable or uses an operation that is not supported."""


class SaveWarning(UserWarning):
    """A result could not be saved while its search runs, or not where it was asked for."""


class MemoryLimitWarning(UserWarning):
    """A stage of the verifier needs more memory than there is: it gives no answer."""


class SolverError(MlspecError):
    """A solver is missing, over its licence, or failed."""

    exit_code = ExitCode.SOLVER


class MissingSolverError(SolverError):
    """A solver is not installed; the message says how to install it."""


class LicenceError(SolverError):
    """A model is larger than the solver's licence allows, or there is no licence at all."""


class OptionError(SolverError):
    """A solver does not know an option, or refuses its value."""

    exit_code = ExitCode.USAGE

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option
        """The option by the solver's own name."""


class ContradictionError(MlspecError):
    """Two stages contradict each other: one of them is unsound, so no verdict is given.

    ``evidence`` holds the arrays that show it, for a bug report.
    """

    exit_code = ExitCode.SOLVER
    evidence: Mapping[str, object] = MappingProxyType({})
