"""The options of GLPK, with their ranges: it ends the whole process where one is out of range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mlspec.errors import OptionError


class Range(NamedTuple):
    """What an option may be."""

    part: str
    """``iocp`` (branch and cut) or ``smcp`` (simplex)."""
    kind: type
    least: float
    largest: float


def _flag(part: str) -> Range:
    return Range(part, int, 0, 1)


OPTIONS: Mapping[str, Range] = {
    "tol_int": Range("iocp", float, 1e-12, 1e-3),
    "tol_obj": Range("iocp", float, 1e-12, 1e-3),
    "mip_gap": Range("iocp", float, 0.0, 1e9),
    "br_tech": Range("iocp", int, 1, 5),
    "bt_tech": Range("iocp", int, 1, 4),
    "pp_tech": Range("iocp", int, 0, 2),
    **{name: _flag("iocp") for name in ("mir_cuts", "gmi_cuts", "cov_cuts", "clq_cuts")},
    "tol_bnd": Range("smcp", float, 1e-12, 1e-3),
    "tol_dj": Range("smcp", float, 1e-12, 1e-3),
    "tol_piv": Range("smcp", float, 1e-12, 1e-3),
}
"""The fields of GLPK's ``glp_iocp`` and ``glp_smcp`` that may be set, with their ranges."""


def checked(key: str, value: bool | int | float | str) -> None:
    """Raise OptionError unless GLPK has the option and may have its value."""
    if key not in OPTIONS:
        raise OptionError(key, f"GLPK has no option {key!r} here; known: {', '.join(OPTIONS)}")
    _, kind, least, largest = OPTIONS[key]
    whole = isinstance(value, int)
    if (
        isinstance(value, str)
        or not (whole or kind is float)
        or not least <= float(value) <= largest
    ):
        message = (
            f"GLPK refuses {value!r} for its option {key!r}: it goes from {least:g} to {largest:g}"
        )
        raise OptionError(key, message)
