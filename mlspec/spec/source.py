"""Where each part of a spec was written, and the errors that say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from mlspec.errors import SpecError
from mlspec.spec.assets import shipped

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the top of a spec to one of its values."""

COMMAND_LINE = "--set"
"""Origin of a value given on the command line, if not by an option of its own."""


class Mark(NamedTuple):
    """A place in a text: 1-based line and column; line 0 where only the origin is known."""

    origin: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.origin}:{self.line}:{self.column}" if self.line else self.origin


class Marks(NamedTuple):
    """Where a key and its value stand."""

    key: Mark
    value: Mark

    @classmethod
    def of_both(cls, mark: Mark) -> Marks:
        """The marks of what has no key of its own, such as an item of a list."""
        return cls(mark, mark)


class Complaint(NamedTuple):
    """One mistake in a spec; a line of the error message."""

    mark: Mark
    path: str
    message: str

    def __str__(self) -> str:
        line = f"{self.mark}: {self.path}: {self.message}"
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)


def spec_error(complaints: Iterable[Complaint]) -> SpecError:
    """One error of one line per complaint, in the order of the text, the command line last."""

    def in_order(complaint: Complaint) -> tuple[bool, int, int]:
        return (not complaint.mark.line, complaint.mark.line, complaint.mark.column)

    return SpecError("\n".join(map(str, sorted(complaints, key=in_order))))


def dotted(path: KeyPath) -> str:
    """``("layers", "groups", 0)`` as ``layers.groups[0]``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".") or "(spec)"


def undotted(text: str) -> KeyPath:
    """``layers.groups[0]`` as ``("layers", "groups", 0)``."""
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", text)
    return tuple(int(index) if index else name for index, name in parts)


def elided(text: str) -> str:
    """A text, cut where it is too long for a line."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def did_you_mean(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """``; did you mean 'x'?`` where a valid name is close, else nothing."""
    near = get_close_matches(name, list(names), n=1, cutoff=cutoff)
    return f"; did you mean '{near[0]}'?" if near else ""


@dataclass(frozen=True)
class Source:
    """The text a spec came from.

    Two sources always compare equal: where a spec was written is no part of what it says.
    """

    origin: str = field(default="<spec>", compare=False)
    """Name of the file as the user wrote it, or a word in angle brackets."""
    folder: Path = field(default=Path(), compare=False)
    """Folder that relative paths start from."""
    marks: Mapping[KeyPath, Marks] = field(default_factory=dict, compare=False, repr=False)
    """Places of all keys and values."""

    def mark(self, path: KeyPath, *, of_key: bool = False) -> Mark:
        """The place of a value, or of the key of the nearest mapping or list around it."""
        if path in self.marks:
            return self.marks[path].key if of_key else self.marks[path].value
        for end in range(len(path) - 1, -1, -1):
            if path[:end] in self.marks:
                return self.marks[path[:end]].key
        return Mark(self.origin)

    def error(self, path: str, message: str) -> SpecError:
        """An error about the value at a dotted path such as ``object.mask``."""
        return spec_error([Complaint(self.mark(undotted(path)), path, message)])

    def resolve_path(self, path: str, value: str) -> Path:
        """The file or folder that ``value``, written at the dotted ``path``, names.

        Relative ones start from the spec's folder; those given by an option may also start from
        the working directory; ``specs/...`` and ``solvers/...`` also name what ships with mlspec.
        """
        folders = [self.folder]
        if self.mark(undotted(path)).origin.startswith("--"):
            folders.append(Path())
        candidates = [folder / value for folder in folders]
        for candidate in [*candidates, shipped(value)]:
            if candidate is not None and exists(candidate):
                return candidate
        looked_at = " or ".join(dict.fromkeys(str(candidate) for candidate in candidates))
        hint = nearest_file(candidates[0]) or "; paths start from the folder of the spec"
        raise self.error(path, f"no such file: {looked_at}{hint}")


def exists(path: Path) -> bool:
    """Whether a path can be seen; a name that no file can have cannot."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def nearest_file(missing: Path) -> str:
    """A hint at a file of the same kind and a similar name beside a missing one, or nothing."""
    folder = missing.parent if exists(missing.parent) else shipped(missing.parent)
    if folder is None or not folder.is_dir():
        return f"; there is no folder {missing.parent}"
    beside = sorted(file.name for file in folder.iterdir() if file.suffix == missing.suffix)
    return did_you_mean(missing.name, beside, cutoff=0.75)
