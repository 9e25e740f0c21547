"""Properties in VNN-LIB 1.0: what of a network's inputs and outputs is asked for, as text.

A file declares inputs ``X_i`` and outputs ``Y_j`` and asserts linear constraints on them, joined by
``and`` and ``or``. It asks for a point that meets all of them. Numbers are read exactly.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import ClassVar

from mlspec.errors import InputError

Expression = str | list["Expression"]


@dataclass(frozen=True)
class Constraint:
    """``sum c v + constant <= 0``."""

    coefficients: Mapping[str, Fraction]
    constant: Fraction

    def plus(self, other: Constraint, factor: Fraction) -> Constraint:
        """Return the constraint on the sum with ``factor`` times the other's left side."""
        names = dict.fromkeys((*self.coefficients, *other.coefficients))
        none = Fraction(0)
        found = {
            name: self.coefficients.get(name, none) + factor * other.coefficients.get(name, none)
            for name in names
        }
        kept = {name: value for name, value in found.items() if value}
        return Constraint(kept, self.constant + factor * other.constant)


Case = tuple[Constraint, ...]
"""Constraints that hold together."""


@dataclass(frozen=True)
class Question:
    """What a file asks for."""

    MOST_CASES: ClassVar[int] = 10_000
    """Cases that the product of several ``or`` may have."""

    inputs: int
    outputs: int
    cases: tuple[Case, ...]
    """Any one of them is enough."""


def text_of(path: Path) -> str:
    """Return the text of a property's file, which may be packed by gzip; raises InputError."""
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no property that can be read ({error})") from None


def parse(text: str) -> Question:
    """Return what a text in VNN-LIB 1.0 asks for; raises InputError for anything else."""
    names: list[str] = []
    common: list[Constraint] = []
    alternatives: list[list[Case]] = []
    for expression in _expressions(text):
        match expression:
            case ["declare-const", str(name), "Real"]:
                names.append(name)
            case ["assert", claim]:
                found = _cases(claim)
                if len(found) == 1:
                    common += found[0]
                else:
                    alternatives.append(found)
            case _:
                raise InputError(
                    f"'{_shown(expression)}' is neither a declaration of a Real nor an assert"
                )
    counts = [_count(names, kind) for kind in ("X", "Y")]
    if len(names) != sum(counts):
        raise InputError("constants are called X_0, X_1, ... (inputs) and Y_0, ... (outputs)")
    cases = [(*common, *case) for case in product(alternatives)]
    used = set(chain.from_iterable(each.coefficients for case in cases for each in case))
    unknown = sorted(used - set(names))
    if unknown:
        raise InputError(f"{unknown[0]} is not declared")
    return Question(counts[0], counts[1], tuple(cases))


def _count(names: list[str], kind: str) -> int:
    """Return how many of ``names`` are ``kind``, if they count from 0 on."""
    count = sum(name.startswith(f"{kind}_") for name in names)
    if not count or {f"{kind}_{number}" for number in range(count)} - set(names):
        raise InputError(f"constants {kind}_0, {kind}_1, ... have to be declared, none left out")
    return count


def _expressions(text: str) -> Iterator[Expression]:
    open_lists: list[list[Expression]] = []
    for token in re.findall(r"[()]|[^\s()]+", re.sub(r";[^\n]*", "", text)):
        if token == "(":
            open_lists.append([])
        elif not open_lists:
            raise InputError(f"'{token}' stands outside of parentheses")
        elif token == ")":
            done = open_lists.pop()
            if open_lists:
                open_lists[-1].append(done)
            else:
                yield done
        else:
            open_lists[-1].append(token)
    if open_lists:
        raise InputError("a parenthesis is not closed")


def _cases(expression: Expression) -> list[Case]:
    """Return a condition as cases of which one is enough."""
    match expression:
        case ["and", *parts]:
            return product([_cases(part) for part in parts])
        case ["or", *parts]:
            return [case for part in parts for case in _cases(part)]
        case ["<=", left, right]:
            return [(_sum(left).plus(_sum(right), Fraction(-1)),)]
        case [">=", left, right]:
            return [(_sum(right).plus(_sum(left), Fraction(-1)),)]
        case ["=", left, right]:
            return product([_cases(["<=", left, right]), _cases([">=", left, right])])
        case _:
            raise InputError(
                f"'{_shown(expression)}' is not a condition: known are <=, >=, =, and, or"
            )


def product(parts: list[list[Case]]) -> list[Case]:
    """Return the cases of which one is enough, where one of each part is; raises InputError where
    they are too many."""
    found: list[Case] = [()]
    for part in parts:
        if len(found) * len(part) > Question.MOST_CASES:
            raise InputError(f"its alternatives have more than {Question.MOST_CASES:,} cases")
        found = [(*one, *other) for one in found for other in part]
    return found


def _sum(expression: Expression) -> Constraint:
    """Return a linear expression as the left side of a constraint."""
    nothing = Constraint({}, Fraction(0))
    match expression:
        case str(word):
            try:
                return Constraint({}, Fraction(word))
            except ValueError:
                return Constraint({word: Fraction(1)}, Fraction(0))
        case ["+", *parts]:
            total = nothing
            for part in parts:
                total = total.plus(_sum(part), Fraction(1))
            return total
        case ["-", only]:
            return nothing.plus(_sum(only), Fraction(-1))
        case ["-", first, *others]:
            return _sum(first).plus(_sum(["+", *others]), Fraction(-1))
        case ["*", left, right] if not _sum(left).coefficients:
            return nothing.plus(_sum(right), _sum(left).constant)
        case ["*", left, right] if not _sum(right).coefficients:
            return nothing.plus(_sum(left), _sum(right).constant)
        case _:
            raise InputError(f"'{_shown(expression)}' is no linear expression")


def _shown(expression: Expression) -> str:
    text = expression if isinstance(expression, str) else f"({' '.join(map(_shown, expression))})"
    return text if len(text) <= 60 else f"{text[:57]}..."
