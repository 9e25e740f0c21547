"""What pydantic found wrong, in the words and at the places of the spec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from mlspec.spec.source import Complaint, KeyPath, Source, did_you_mean, dotted
from mlspec.spec.unions import is_tag

_FEW = 8
"""Up to this many valid keys are listed beside a suggestion."""

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "expected": "{expected}",
}


def explain(
    error: ValidationError, model: type[BaseModel], source: Source, known: Sequence[str] = ()
) -> list[Complaint]:
    """A complaint per mistake; none below a path in ``known``, about which a complaint exists."""
    complaints: dict[str, Complaint] = {}
    for detail in error.errors(include_url=False):
        where = detail["loc"] + tuple(filter(None, [detail.get("ctx", {}).get("at")]))
        path: KeyPath = tuple(part for part in where if not is_tag(part))
        name = dotted(path)
        if any(name == other or name.startswith((f"{other}.", f"{other}[")) for other in known):
            continue
        unknown_key = detail["type"] == "extra_forbidden"
        mark = source.mark(path, of_key=unknown_key)
        complaints.setdefault(name, Complaint(mark, name, _message(detail, model)))
    return _without_echoes(list(complaints.values()))


def _without_echoes(complaints: list[Complaint]) -> list[Complaint]:
    """Without the missing keys that another complaint suggests to be misspelt."""

    def suggested(missing: Complaint) -> bool:
        parent, _, key = missing.path.rpartition(".")
        return any(
            other.path.rpartition(".")[0] == parent and f"did you mean '{key}'?" in other.message
            for other in complaints
        )

    return [one for one in complaints if not (one.message.startswith("missing") and suggested(one))]


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    *parents, key = detail["loc"] or ("",)
    if kind == "missing":
        about = [m.model_fields[str(key)] for m in models_at(model, parents) if key in _keys(m)]
        sentence = (about[0].description or "").partition(".")[0] if about else ""
        return f"missing ({sentence[:1].lower()}{sentence[1:]})" if sentence else "missing"
    if kind == "extra_forbidden":
        keys = [key for m in models_at(model, parents) for key in _keys(m)]
        hint = did_you_mean(str(key), keys)
        return f"unknown key{hint}" + (_list_of(keys) if len(keys) <= _FEW or not hint else "")
    if kind == "literal_error":
        return _not_among(re.findall(r"'([^']+)'", context["expected"]), value)
    if kind == "choice":
        chosen = value.get(context["at"]) if isinstance(value, Mapping) else value
        return _not_among(detail["msg"].split(", "), chosen)
    if kind == "model_type":
        keys = [key for m in models_at(model, detail["loc"]) for key in _keys(m)]
        return f"expected a mapping with keys from {', '.join(keys)}; got {show(value)}"
    if kind == "value_error":
        return str(context["error"])
    if kind in _EXPECTED:
        words = {key: _number(bound) for key, bound in context.items()}
        return (
            f"expected {_EXPECTED[kind].format(expected=detail['msg'], **words)}, got {show(value)}"
        )
    return detail["msg"]


def show(value: object) -> str:
    """A value as its author knows it, short enough for one line."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return str(value).lower()
        case str():
            return repr(value if len(value) <= 60 else value[:57] + "...") + " (text)"
        case int() | float():
            return _number(value)
        case Mapping():
            return f"a mapping ({', '.join(map(str, value)) or 'empty'})"
        case list() | tuple():
            return f"a list of {len(value)}"
    return repr(value)


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:60]


def _not_among(choices: Sequence[str], value: object) -> str:
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    expected = f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    return f"expected {expected}; got {show(value)}{hint}"


def _list_of(keys: Sequence[str]) -> str:
    return f"; valid here: {', '.join(keys)}"


def _keys(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


def models_at(model: type[BaseModel], location: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that an error's location allows: one, as tags name the branches of unions."""
    annotations: list[Any] = [model]
    for part in location:
        annotations = [step for one in annotations for step in _step(one, part)]
    return [found for one in annotations for found in _models_in(one)]


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    if is_tag(part):
        yield from _tagged(annotation, str(part))
    elif isinstance(part, int):
        yield from get_args(annotation)
    else:
        for model in _models_in(annotation):
            if part in model.model_fields:
                yield model.model_fields[part].annotation


def _tagged(annotation: Any, tag: str) -> Iterator[Any]:
    inner, *metadata = get_args(annotation) or (None,)
    if get_origin(annotation) is Annotated and any(
        isinstance(item, Tag) and item.tag == tag for item in metadata
    ):
        yield inner
    for argument in get_args(annotation):
        yield from _tagged(argument, tag)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
