"""What pydantic found wrong, in the words and at the places of the spec."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlspec.spec.fields import keys_at, models_at
from mlspec.spec.source import Complaint, KeyPath, Source, did_you_mean, dotted, elided, undotted
from mlspec.spec.unions import is_tag

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
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
}


def explain(
    error: ValidationError, model: type[BaseModel], source: Source, known: Sequence[str] = ()
) -> list[Complaint]:
    """A complaint per mistake; none below a path in ``known``, about which a complaint exists."""
    complaints: dict[str, Complaint] = {}
    for detail in error.errors(include_url=False):
        path: KeyPath = tuple(part for part in detail["loc"] if not is_tag(part))
        if detail["type"] != "choice" or isinstance(detail["input"], Mapping):
            path += undotted(detail.get("ctx", {}).get("at", ""))
        name = dotted(path)
        if any(name == other or name.startswith((f"{other}.", f"{other}[")) for other in known):
            continue
        mark = source.mark(path, of_key=detail["type"] == "extra_forbidden")
        complaints.setdefault(name, Complaint(mark, name, _message(detail, model)))
    return [one for one in complaints.values() if not _is_echo(one, complaints.values())]


def _is_echo(one: Complaint, complaints: Collection[Complaint]) -> bool:
    """Whether a complaint only follows from another: a key is missing because it is misspelt,
    a list too short because an item is wrong."""
    parent, _, key = one.path.rpartition(".")
    return any(
        other.path.startswith(f"{one.path}[")
        or (
            one.message.startswith("missing")
            and other.path.rpartition(".")[0] == parent
            and other.message.endswith(f"did you mean '{key}'?")
        )
        for other in complaints
    )


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    match kind:
        case "missing":
            return _missing(detail["loc"], model)
        case "extra_forbidden":
            keys = keys_at(model, detail["loc"][:-1])
            hint = did_you_mean(str(detail["loc"][-1]), keys)
            few = len(keys) <= 8  # all are listed, even beside a suggestion
            listed = f"; valid here: {', '.join(keys)}" if few or not hint else ""
            return f"unknown key{listed}{hint}"
        case "literal_error":
            choices = re.findall(r"'([^']+)'", context["expected"])
            return _expected(_one_of(choices), value, choices)
        case "choice":
            choices = context["choices"].split(", ")
            if not isinstance(value, Mapping | str):
                return _expected(f"{_one_of(choices)}, or a mapping of its keys", value)
            given = value[context["at"]] if isinstance(value, Mapping) else value
            return _expected(_one_of(choices), given, choices)
        case "expected":
            return _expected(detail["msg"], value, context["choices"].split(", "))
        case "model_type":
            keys = keys_at(model, detail["loc"])
            return _expected(f"a mapping with keys from {', '.join(keys)}", value)
        case "value_error":
            return str(context["error"])
        case _ if kind in _EXPECTED:
            bounds = {key: _bound(bound) for key, bound in context.items()}
            return _expected(_EXPECTED[kind].format(**bounds), value)
        case _:
            return detail["msg"]


def _expected(expected: str, value: object, choices: Sequence[str] = ()) -> str:
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    return f"expected {expected}; got {show(value)}{hint}"


def _one_of(choices: Sequence[str]) -> str:
    return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]


def _missing(location: Sequence[str | int], model: type[BaseModel]) -> str:
    *parents, key = location
    if isinstance(key, int):
        return "missing: the list is too short"
    fields = [found.model_fields[key] for found in models_at(model, parents)]
    sentence = (fields[0].description or "").partition(".")[0] if fields else ""
    return f"missing ({sentence[:1].lower()}{sentence[1:]})" if sentence else "missing"


def show(value: object) -> str:
    """A value as its author knows it, short enough for one line."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return str(value).lower()
        case str():
            return f"{elided(value)!r} (text)"
        case int() | float():
            return elided(str(value))
        case Mapping():
            return f"a mapping ({', '.join(map(str, value)) or 'empty'})"
        case list() | tuple():
            return f"a list of {len(value)}"
        case _:
            return repr(value)


def _bound(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
