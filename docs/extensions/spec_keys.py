"""The keys of a spec as MyST text, read from the JSON Schema of its model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]


@dataclass
class Key:
    """One key of a spec: its dotted path, what it may be, and what it means."""

    path: str
    kinds: list[str] = field(default_factory=list)
    default: str = ""
    """In YAML; empty for a key that must be given or has keys of its own."""
    required: bool = False
    """Whether every form of the mapping it belongs to needs it."""
    is_mapping: bool = False
    texts: list[str] = field(default_factory=list)


def keys_of(root: Schema) -> list[Key]:
    """Return every key of the schema ``root``, each mapping before its own keys."""
    keys: dict[str, Key] = {}
    _collect([root], "", root.get("$defs", {}), keys)
    return list(keys.values())


def text_of(root: Schema, *, index: bool) -> str:
    """Return MyST text with a section for each key of the first level.

    ``index`` makes the keys targets of ``{confval}`` references; it can be set for one schema only,
    because keys of different schemas share names.
    """
    lines: list[str] = []
    for key in keys_of(root):
        text = "\n\n".join([*(["Required."] if key.required else []), *key.texts])
        if "." not in key.path:
            lines += [f"## {key.path}", ""]
            if key.is_mapping:
                lines += [text, ""]
                continue
        lines += [f"```{{confval}} {key.path}", *([] if index else [":no-index:"])]
        lines.append(f":type: {' or '.join(key.kinds)}")
        if key.default:
            lines.append(f":default: `{key.default}`")
        lines += ["", text, "```", ""]
    return "\n".join(lines)


def _collect(branches: list[Schema], prefix: str, defs: Schema, keys: dict[str, Key]) -> None:
    """Add the keys of mappings that are alternatives to each other."""
    names = dict.fromkeys(name for branch in branches for name in branch["properties"])
    for name in names:
        path = f"{prefix}{name}"
        required = all(name in branch.get("required", ()) for branch in branches)
        key = keys.setdefault(path, Key(path, required=required))
        below: list[Schema] = []
        for branch in branches:
            if name not in branch["properties"]:
                continue
            schema = branch["properties"][name]
            _add(key.kinds, _kinds(schema, defs))
            below += _mappings(schema, defs)
            if "default" in schema and not isinstance(schema["default"], dict):
                key.default = key.default or json.dumps(schema["default"]).strip('"')
            # Where a key and its mapping say the same, the schema has it once.
            text = schema.get("description") or _mappings(schema, defs)[0]["description"]
            shared = sum(name in each["properties"] for each in branches) > 1
            mark = _mark(branch) if shared and "const" not in schema else ""
            _add(key.texts, [f"{mark}{text}"])
        if len(below) > 1:
            _add(key.texts, ["\n".join(f"- {_name(each)}{each['description']}" for each in below)])
        if below:
            key.is_mapping = True
            _collect(below, f"{path}.", defs, keys)


def _add(known: list[str], more: Iterable[str]) -> None:
    for each in more:
        if each not in known:
            known.append(each)


def _mappings(schema: Schema, defs: Schema) -> list[Schema]:
    """Return the mappings that ``schema`` admits, itself or as items of a list."""
    if "$ref" in schema:
        return _mappings(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "properties" in schema:
        return [schema]
    found: list[Schema] = []
    items = [schema["items"]] if "items" in schema else []
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *items):
        found += [each for each in _mappings(part, defs) if each not in found]
    return found


def _kinds(schema: Schema, defs: Schema) -> Iterator[str]:
    """Yield what values of ``schema`` are, in words."""
    if "$ref" in schema:
        yield from _kinds(defs[schema["$ref"].rpartition("/")[2]], defs)
    elif "const" in schema:
        yield f"`{schema['const']}`"
    elif "enum" in schema:
        yield from (f"`{value}`" for value in schema["enum"])
    elif "anyOf" in schema or "oneOf" in schema:
        for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from _kinds(part, defs)
    elif "prefixItems" in schema:
        yield f"list of {len(schema['prefixItems'])} whole numbers"
    elif schema.get("type") == "array":
        items = " or ".join(dict.fromkeys(_kinds(schema["items"], defs)))
        yield f"list of {items}" if " or " not in items else f"list of ({items})"
    elif isinstance(schema.get("type"), list):
        yield from ({"boolean": "true, false", "string": "text"}.get(t, t) for t in schema["type"])
    else:
        words = {"object": "mapping", "integer": "whole number", "string": "text", "null": "`null`"}
        kind = schema["type"]
        word = "`true` or `false`" if kind == "boolean" else words.get(kind, kind)
        yield word + _limits(schema)


def _limits(schema: Schema) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {schema[name]:g}" for name, sign in words.items() if name in schema]
    return f" ({', '.join(found)})" if found else ""


def _constant(branch: Schema) -> tuple[str, str] | None:
    """Return the key of a mapping with a single possible value, and that value."""
    for name, schema in branch["properties"].items():
        if "const" in schema:
            return name, schema["const"]
    return None


def _name(branch: Schema) -> str:
    """Return how an alternative is told from the others: ``rule: top_k``, or by its first key."""
    constant = _constant(branch)
    if constant is not None:
        return f"`{constant[0]}: {constant[1]}`: "
    return f"`{next(iter(branch['properties']))}`: "


def _mark(branch: Schema) -> str:
    constant = _constant(branch)
    return f"With `{constant[0]}: {constant[1]}`: " if constant else ""
