"""The ONNX operations that are read as MyST text, from the registry of operations."""

from __future__ import annotations

import sys
from collections import defaultdict

from mlspec.ops import registry
from mlspec.ops.operation import PiecewiseOperation
from mlspec.problem.onnx_import import UNCHANGED
from mlspec.problem.onnx_moves import MOVES


def text() -> str:
    """Return an entry for each module of operations with the ONNX nodes that it reads."""
    nodes: dict[str, list[str]] = defaultdict(list)
    for node, reader in registry.READERS.items():
        nodes[reader.__module__].append(node)
    moving = ", ".join(f"`{name}`" for name in sorted(MOVES))
    piecewise = {op.__module__ for op in registry.OPERATIONS if issubclass(op, PiecewiseOperation)}
    lines: list[str] = []
    for module, names in nodes.items():
        means = (sys.modules[module].__doc__ or "").split("\n\n")[0].replace("\n", " ")
        kind = " Piecewise linear." if module in piecewise else ""
        lines += [", ".join(f"`{name}`" for name in sorted(names)), f": {means}{kind}", ""]
    lines += [moving, ": Numbers in another order or shape, some of them 0 or left out.", ""]
    same = ", ".join(f"`{name}`" for name in sorted(UNCHANGED))
    lines += [same, ": Left out: they change nothing.", ""]
    return "\n".join(lines)
