"""Values given beside a spec file: ``a.b=v`` on the command line, ``{"a.b": v}`` in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mlspec.spec.base import SpecModel
from mlspec.spec.fields import models_at
from mlspec.spec.messages import show
from mlspec.spec.source import COMMAND_LINE, Complaint, KeyPath, Mark, Marks, dotted, spec_error
from mlspec.spec.yaml_text import YamlText, read_yaml


class Given(NamedTuple):
    """A value given by an option of the command line that stands for one key."""

    option: str
    """Such as ``--budget``."""
    path: str
    value: object


Overrides = Mapping[str, object] | Sequence[str | Given]
"""Dotted paths with their values, or texts ``path=value`` with values in YAML."""

_IN_PYTHON = "<overrides>"


def apply_overrides(reading: YamlText, overrides: Overrides, model: type[SpecModel]) -> None:
    """Sets values of what was read from a spec file; mappings on the way are made as needed."""
    if isinstance(overrides, Mapping):
        for name, value in overrides.items():
            _set(reading, model, Mark(_IN_PYTHON), _keys(name, _IN_PYTHON), value)
        return
    for text in [overrides] if isinstance(overrides, str) else overrides:
        if isinstance(text, Given):
            _set(reading, model, Mark(text.option), _keys(text.path, text.option), text.value)
            continue
        name, equals, value_text = text.partition("=")
        if not equals:
            raise _refuse(COMMAND_LINE, text, "write KEY=VALUE, such as budget.seconds=60")
        path = _keys(name, COMMAND_LINE)
        if not value_text.strip():
            raise _refuse(COMMAND_LINE, name.strip(), 'no value: write null, or "" for empty text')
        value = read_yaml(value_text, COMMAND_LINE, path)
        reading.complaints += value.complaints
        _set(reading, model, Mark(COMMAND_LINE), path, value.data)


def _keys(name: str, origin: str) -> KeyPath:
    keys = tuple(name.strip().split("."))
    if not all(keys) or "[" in name:
        raise _refuse(origin, name, "a path is keys joined by dots, such as budget.seconds")
    return keys


def _set(
    reading: YamlText, model: type[SpecModel], mark: Mark, path: KeyPath, value: object
) -> None:
    if not isinstance(reading.data, dict):
        return  # the complaint about the file says all
    marks, mapping = reading.marks, reading.data
    for end, key in enumerate(path[:-1], start=1):
        here, inner = path[:end], mapping.get(key)
        text_key = next(_text_keys(model, here), "")
        if inner is None:
            inner = {}
            marks[here] = Marks.of_both(mark)
        elif isinstance(inner, str) and text_key:
            inner = {text_key: inner}
            marks[*here, text_key] = marks[here]
        elif not isinstance(inner, dict):
            message = f"{dotted(here)} is {show(inner)}: set it as a whole"
            raise _refuse(mark.origin, dotted(path), message)
        inner = dict(inner)  # a mapping given in Python stays as it is
        mapping[key] = inner
        mapping = inner
    mapping[path[-1]] = value
    for below in [other for other in marks if other[: len(path)] == path]:
        del marks[below]
    marks[path] = Marks.of_both(mark)


def _text_keys(model: type[SpecModel], path: KeyPath) -> Iterator[str]:
    for found in models_at(model, path):
        if issubclass(found, SpecModel) and found.text_key:
            yield found.text_key


def _refuse(origin: str, name: str, message: str) -> Exception:
    return spec_error([Complaint(Mark(origin), name or "(empty)", message)])
