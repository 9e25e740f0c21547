"""The command line in this process, and small work for it."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from mlspec.cli import main

SMALL = "specs/small.yaml"
FRUGAL = (
    *("--set", "budget.queries=1"),
    *("--set", "verifier.attack.restarts=8"),
    *("--set", "verifier.attack.steps=20"),
)
"""Makes a search of the small spec end after its first complete query: the same each time."""

MINIMAL = {
    "classifier": "classifier: {onnx: specs/classifiers/none.onnx}",
    "image": "image: {dataset: double-digits, index: 3}",
    "object": "object: {mask: dataset}",
}
"""The required keys of a spec that can be solved; each stands in the line of its rank."""


@dataclass(frozen=True)
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str


def mlspec(*arguments: str | Path, cwd: Path) -> Ran:
    """Run ``mlspec ARGUMENTS`` in the folder ``cwd``."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    with (
        contextlib.chdir(cwd),
        patch.object(sys, "argv", ["mlspec", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        finally:
            signal.signal(signal.SIGTERM, handler)
    return Ran(code, out.getvalue(), err.getvalue())


def spec_with(lines: str) -> str:
    """Return the minimal spec with ``lines``, which replace the required keys they have."""
    required = dict(MINIMAL)
    rest = []
    for line in lines.splitlines():
        key = line.partition(":")[0]
        if required.get(key) == MINIMAL.get(key, ""):
            required[key] = line
        else:
            rest.append(line)
    return "\n".join([*required.values(), *rest]) + "\n"


def controls(text: str) -> set[str]:
    """Return the control characters of ``text`` other than the end of a line."""
    return {char for char in text if not char.isprintable() and char != "\n"}
