"""Every error a user can meet, each with the exit code its kind leads to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


class MlspecError(Exception):
    """Base of all expected errors: the message names the thing, shows the value and says the
    fix."""

    exit_code = 2


class SpecError(MlspecError):
    """A spec, or a file it names, is wrong; the message starts with ``FILE:LINE:COL: path:``."""


class InputError(MlspecError):
    """An argument outside a spec (a command-line value, an API argument) is wrong."""


class OverdueError(KeyboardInterrupt):
    """The time of a search is over while it does what knows no deadline.

    Whatever copes with Ctrl-C copes with it.
    """


class ResumeError(MlspecError):
    """An earlier result could not be proved again: the search that was to go on from it did not
    begin."""

    exit_code = 1


class DataError(MlspecError):
    """A dataset or an image file is missing or malformed."""


class NetworkError(MlspecError):
    """A classifier file is unreadable or uses an operation that is not supported."""


class SaveWarning(UserWarning):
    """A result could not be saved while its search runs."""


class SolverError(MlspecError):
    """A solver is missing, over its licence, or failed."""

    exit_code = 3


class MissingSolverError(SolverError):
    """A solver is not installed; the message says how to install it."""


class LicenceError(SolverError):
    """A model is larger than the solver's licence allows, or there is no licence at all."""


class OptionError(SolverError):
    """A solver does not know an option, or refuses its value."""

    exit_code = 2

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option
        """The option by the solver's own name."""


class ContradictionError(MlspecError):
    """Two stages contradict each other: one of them is unsound, so no verdict is given.

    ``evidence`` holds the arrays that show it, for a bug report.
    """

    exit_code = 3
    evidence: Mapping[str, object] = MappingProxyType({})
