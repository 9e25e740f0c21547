"""The pages of the documentation, and the examples in them.

An example is a fenced block. Its language says what is done with it:

- ``console``: each line that begins with ``$ `` is a command. ``mlspec`` commands are run; the exit
  code is 0, or that of a comment ``# exit code 1`` behind the command. Lines beneath a command are
  lines of its output, in their order, but not necessarily all: numbers stand for any numbers, and
  ``...`` for anything.
- ``yaml``: a spec, or keys to put into one. If the first line is ``# NAME.yaml`` it is saved under
  that name for the commands that follow.
- ``python``: run with the names that earlier blocks of the page have made.
- ``sh``: what a reader does in a shell; not run, but every ``make TARGET`` in it exists.
- ``text`` and MyST directives are for reading only.

The examples of a page run in its order and in one folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
    ]
)
LANGUAGES = ("console", "yaml", "python", "sh", "text")


@dataclass(frozen=True)
class Example:
    """A fenced block of a page."""

    language: str
    text: str
    line: int
    """Of the page, from 1: where the text begins."""


@dataclass(frozen=True)
class Command:
    """A command of a ``console`` block and what it is said to give."""

    text: str
    code: int
    lines: tuple[str, ...]


def examples(page: Path) -> list[Example]:
    """Return the fenced blocks of ``page`` in their order, without MyST directives."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(
        r"^(?P<fence>`{3,})(?P<language>[^\s`]*)[^\n`]*\n(?P<text>.*?)^(?P=fence)$",
        text,
        re.M | re.S,
    )
    return [
        Example(block["language"], block["text"], text.count("\n", 0, block.start("text")) + 1)
        for block in found
        if not block["language"].startswith("{")
    ]


def commands(example: Example) -> list[Command]:
    """Return the commands of a ``console`` block."""
    found = []
    for part in re.split(r"^\$ ", example.text, flags=re.M)[1:]:
        command, *lines = part.splitlines()
        text, _, code = command.partition("# exit code ")
        found.append(Command(text.strip(), int(code or 0), tuple(filter(str.strip, lines))))
    return found


def missing(lines: tuple[str, ...], output: str) -> str | None:
    """Return the first of ``lines`` that ``output`` does not have after the ones before it."""
    rest = iter([_normal(line) for line in output.splitlines()])
    for line in lines:
        pattern = re.escape(_normal(line)).replace(r"\.\.\.", ".*")
        if pattern != ".*" and not any(re.fullmatch(pattern, each) for each in rest):
            return line
    return None


def _normal(line: str) -> str:
    """Return ``line`` with one sign for every number and one blank for every gap or rule."""
    line = re.sub(r"\d[\d,]*(\.\d+)?(e-?\d+)?", "#", line)
    return re.sub(r"[\s│─╭╮╰╯-]+", " ", line).strip()
