"""Strict YAML: plain values with the place of each, and every doubtful spelling named.

Readers of YAML 1.1 and 1.2 disagree about some spellings (``on``, ``1e-3``, ``010``) and let a
repeated key win in silence; here all of these are mistakes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from mlspec.spec.source import Complaint, KeyPath, Mark, Marks, dotted, elided, spec_error

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,299})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?|[-+]?\.(inf|nan)", re.I)
_EXPONENT = re.compile(r"([-+]?)([0-9]*)(\.[0-9]*)?[eE]([-+]?)([0-9]+)")
_OTHER_INT = re.compile(r"[-+]?0o[0-7]+")
_MEANINGS = {
    "'\\t'": "tab character: indent with spaces",
    "but found another document": "a second document starts here: a spec is one document",
    "could not find expected ':'": "no ':' after a key: write `key: value`",
    "mapping values are not allowed": "':' in the wrong place: check indentation and quotes, and "
    "that a space follows each ':' above",
}
"""What some of PyYAML's problems mean to the author of a spec."""


@dataclass
class YamlText:
    """What a text says, where, and what is doubtful about it."""

    origin: str
    prefix: KeyPath = ()
    """Path of the whole text inside the spec: not empty for one value on the command line."""
    data: Any = None
    marks: dict[KeyPath, Marks] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)

    def mark(self, mark: yaml.Mark | None) -> Mark:
        """The place of a mark of PyYAML; only the origin for a value on the command line."""
        if self.prefix:
            return Mark(self.origin)
        if mark is None:
            return Mark(self.origin, 1, 1)
        return Mark(self.origin, mark.line + 1, mark.column + 1)

    def complain(self, mark: yaml.Mark, path: KeyPath, message: str) -> None:
        """Notes a mistake and lets the reading go on."""
        self.complaints.append(Complaint(self.mark(mark), dotted(path), message))


def read_yaml(text: str, origin: str, prefix: KeyPath = ()) -> YamlText:
    """The one document of a text; what cannot be read at all is a ``SpecError``."""
    reading = YamlText(origin, prefix)
    try:
        root = _StrictComposer(text).get_single_node()
        if root is None:
            root = yaml.ScalarNode("tag:yaml.org,2002:null", "", yaml.Mark("", 0, 0, 0, None, 0))
            reading.complain(
                root.start_mark, prefix, "empty: `mlspec new` writes a spec to start from"
            )
        reading.marks[prefix] = Marks.of_both(reading.mark(root.start_mark))
        reading.data = _value(reading, root, prefix)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(reading, *_problem(error)) from None
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        mark = yaml.Mark(origin, error.position, line, column, None, 0)
        message = f"character {chr(error.character)!r} is not allowed in YAML"
        raise _syntax_error(reading, mark, message) from None
    except RecursionError:
        raise _syntax_error(reading, None, "nested too deeply") from None
    return reading


def _syntax_error(reading: YamlText, mark: yaml.Mark | None, message: str) -> Exception:
    path = dotted(reading.prefix) if reading.prefix else "(syntax)"
    return spec_error([Complaint(reading.mark(mark), path, message)])


def _problem(error: yaml.MarkedYAMLError) -> tuple[yaml.Mark | None, str]:
    problem, mark = error.problem or "not YAML", error.problem_mark
    if error.context == "while scanning a quoted scalar":
        return error.context_mark, "this quote is never closed"
    for part, meaning in _MEANINGS.items():
        if part in problem:
            return mark, meaning
    if error.context and error.context_mark:
        start = error.context_mark.line + 1
        return mark, f"{problem} ({error.context} that starts in line {start})"
    return mark, problem


class _StrictComposer(Reader, Scanner, Parser, Composer, Resolver):
    """Refuses tags, and aliases of anything deeper than a list or mapping of single values."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        Resolver.__init__(self)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if tag is not None:
            written = tag.replace("tag:yaml.org,2002:", "!!")
            raise _refuse(f"tag '{written}': remove it", event)
        node = super().compose_node(parent, index)
        if isinstance(event, yaml.AliasEvent) and node is not None and not _is_flat(node):
            raise _refuse(f"alias '*{event.anchor}' stands for a nested value: write it out", event)
        return node


def _refuse(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    mark = event.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)  # type: ignore[arg-type]


def _is_flat(node: yaml.Node) -> bool:
    if node.end_mark is None:  # still being read: it contains its own alias
        return False
    if isinstance(node, yaml.MappingNode):
        return all(isinstance(part, yaml.ScalarNode) for pair in node.value for part in pair)
    return isinstance(node, yaml.ScalarNode) or all(
        isinstance(part, yaml.ScalarNode) for part in node.value
    )


def _value(reading: YamlText, node: yaml.Node, path: KeyPath) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(reading, node, path)
    if isinstance(node, yaml.SequenceNode):
        values = []
        for index, item in enumerate(node.value):
            reading.marks[*path, index] = Marks.of_both(reading.mark(item.start_mark))
            values.append(_value(reading, item, (*path, index)))
        return values
    return _scalar(reading, node, path)


def _mapping(reading: YamlText, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = _key(reading, key_node, path)
        if key is None:
            continue
        here = (*path, key)
        if key in values:
            first = f"line {lines[key]}" if not reading.prefix else "an earlier place"
            reading.complain(
                key_node.start_mark, here, f"duplicate key, already given in {first}: keep one"
            )
            continue
        lines[key] = key_node.start_mark.line + 1
        reading.marks[here] = Marks(
            reading.mark(key_node.start_mark), reading.mark(value_node.start_mark)
        )
        values[key] = _value(reading, value_node, here)
    return values


def _key(reading: YamlText, node: yaml.Node, path: KeyPath) -> str | None:
    """The text of a key; None for what cannot be one."""
    if not isinstance(node, yaml.ScalarNode):
        reading.complain(node.start_mark, path, "a key must be one word, not a list or mapping")
        return None
    key = str(node.value)
    if node.tag.endswith(":merge"):
        reading.complain(node.start_mark, (*path, key), "merge key: write the keys out")
        return None
    if not node.tag.endswith(":str"):
        reading.complain(node.start_mark, (*path, key), f'a key must be text: write "{key}"')
    return key


def _scalar(reading: YamlText, node: yaml.Node, path: KeyPath) -> Any:
    text, kind = str(node.value), node.tag.rpartition(":")[2]
    quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
    match kind:
        case "null":
            return None
        case "bool" if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case "int" if _INT.fullmatch(text):
            return int(text)
        case "float" if _FLOAT.fullmatch(text):
            return float(text.replace(".inf", "inf").replace(".nan", "nan"))
        case "str" if quoted or not (_EXPONENT.fullmatch(text) or _OTHER_INT.fullmatch(text)):
            return text
        case _:
            reading.complain(node.start_mark, path, _doubt(text, kind))
            return text


def _doubt(text: str, kind: str) -> str:
    text = elided(text)
    if kind == "bool":
        return f'{text} is true or false to some YAML readers: write true, false or "{text}"'
    exponent = _EXPONENT.fullmatch(text)
    if exponent:
        sign, whole, fraction, power_sign, power = exponent.groups()
        fraction = fraction if fraction and len(fraction) > 1 else ".0"
        number = f"{sign}{whole or '0'}{fraction}e{power_sign or '+'}{power}"
        return f"{text} is text to YAML 1.1 readers: write {number}"
    if kind == "timestamp":
        return f'{text} is a date to some YAML readers: write "{text}"'
    return f'YAML readers disagree about {text}: write a plain decimal number, or "{text}"'
