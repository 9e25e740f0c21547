"""Numbers as text, rounded to the safe side: a report never claims more than was proved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal


def below(value: float, digits: int = 2) -> str:
    """Return ``value`` >= 0 rounded down to ``digits`` significant digits: for what is
    certified."""
    return _rounded(value, digits, ROUND_FLOOR)


def above(value: float, digits: int = 3) -> str:
    """Return ``value`` >= 0 rounded up to ``digits`` significant digits: for what is ruled out."""
    return _rounded(value, digits, ROUND_CEILING)


def near(value: float, digits: int = 3) -> str:
    """Return ``value`` >= 0 rounded to ``digits`` significant digits."""
    return _rounded(value, digits, ROUND_HALF_EVEN)


def _rounded(value: float, digits: int, mode: str) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "?"
    # The shortest decimal that reads back as this float: 0.03 stays 0.03 in either direction.
    exact = Decimal(repr(float(value)))
    if not exact:
        return "0"
    if exact.adjusted() < -4:  # below 0.0001: written like 4.1e-6
        rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits + 1), rounding=mode)
        return f"{rounded:.{digits - 1}e}"
    last = min(0, exact.adjusted() - digits + 1)
    return f"{exact.quantize(Decimal(1).scaleb(last), rounding=mode):f}"


def percent(share: float) -> str:
    """Return a share as text: ``0.8 %``, ``12 %``."""
    if not math.isfinite(share):
        return "∞"
    return f"{100 * share:.1f} %" if abs(share) < 0.0995 else f"{100 * share:.0f} %"


def duration(seconds: float) -> str:
    """Return a time as text: ``0.4 s``, ``12 s``, ``4 min 05 s``, ``1 h 02 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def listed(words: Sequence[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])
