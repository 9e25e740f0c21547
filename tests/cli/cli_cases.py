"""Small work for the command line."""

from __future__ import annotations

from shell import Ran, mlspec

__all__ = ["FRUGAL", "MINIMAL", "SMALL", "Ran", "controls", "mlspec", "spec_with"]

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
