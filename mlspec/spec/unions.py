"""Unions whose branch is picked by the look of the input, so that one clear error results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import BaseModel, Discriminator, GetCoreSchemaHandler, Tag
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_MARK = "\ue000"
"""A private-use character: no key that a user writes starts with it."""


class Pick(Discriminator):
    """A discriminator that can be hashed, so that its union can be part of another."""

    __hash__ = object.__hash__


@dataclass(frozen=True)
class OneOf:
    """Marks a text that is one of names which another room lists: a Literal made at run time."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(
        self, source: type[str], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))


def tag(name: str) -> Tag:
    """Names a branch of a union."""
    return Tag(_MARK + name)


def is_tag(part: object) -> bool:
    """Whether a part of an error's location names a branch of a union instead of a key."""
    return isinstance(part, str) and part.startswith(_MARK)


def complaint(message: str, at: str = "") -> PydanticCustomError:
    """The error of a validator: ``at`` is the dotted path to the culprit from there."""
    return PydanticCustomError("complaint", "{message}", {"message": message, "at": at})


def by_kind(
    expected: str, *, words: tuple[str, ...] = (), **kinds: type | tuple[type, ...]
) -> Pick:
    """Picks the branch tagged with the first kind of value that fits; a bool is no number.

    One of ``words``, if any, is of the kind ``word``.
    """

    def pick(value: object) -> str | None:
        if isinstance(value, str) and value in words:
            return f"{_MARK}word"
        for name, types in kinds.items():
            if isinstance(value, types) and (types is bool or not isinstance(value, bool)):
                return _MARK + name
        return None

    return Pick(
        pick,
        custom_error_type="expected",
        custom_error_message=", ".join(words) + ", or " * bool(words) + expected,
        custom_error_context={"choices": ", ".join(words)},
    )


def by_key(*keys: str) -> Pick:
    """Picks the branch tagged with the one of ``keys`` that is there; else the closest or first."""

    def pick(value: object) -> str | None:
        if isinstance(value, BaseModel):
            return _MARK + next(iter(type(value).model_fields.keys() & set(keys)), "")
        if not isinstance(value, Mapping):
            return None
        found = [key for key in keys if key in value]
        if not found:
            nearest = (key for key in keys if any(_alike(key, other) for other in value))
            found = [next(nearest, keys[0])]
        return _MARK + found[0] if len(found) == 1 else None

    one_of = f"a mapping with exactly one of the keys {', '.join(keys)}"
    return Pick(
        pick,
        custom_error_type="expected",
        custom_error_message=one_of,
        custom_error_context={"choices": ""},
    )


def by_value(
    key: str, *values: str, implied: Mapping[str, str] | None = None, bare: bool = False
) -> Pick:
    """Picks the branch tagged with the value of ``key``; the first of ``values`` if absent.

    Where ``key`` is absent, a key of ``implied`` that is there, or nearly, picks its value. If
    ``bare``, a bare text is the value itself.
    """

    def pick(value: object) -> str | None:
        if bare and isinstance(value, str):
            return _MARK + value
        if bare and not isinstance(value, Mapping | BaseModel):
            return None
        if isinstance(value, Mapping):
            return f"{_MARK}{value.get(key) if key in value else default(value)}"
        found = getattr(value, key, None)
        return _MARK + (found if found in values else values[0])

    def default(value: Mapping[str, object]) -> str:
        known = implied or {}
        there = [known[name] for name in known if name in value]
        near = [known[name] for name in known if any(_alike(name, other) for other in value)]
        return next(iter(there + near), values[0])

    return Pick(
        pick,
        custom_error_type="choice",
        custom_error_message="another choice",
        custom_error_context={"at": key, "choices": ", ".join(values)},
    )


def _alike(key: str, other: object) -> bool:
    return bool(get_close_matches(str(other), [key], cutoff=0.7))
