"""mlspec: maximal robust layered neighborhoods of multi-label image classifiers, from declarative
specs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "explain",
    "from_torch",
    "labels",
    "level",
    "load_spec",
    "open_result",
    "recertify",
    "solve",
    "verify",
]

_HOMES = {
    "explain": "mlspec.report.explanation",
    "from_torch": "mlspec.train",
    "labels": "mlspec.labelling",
    "level": "mlspec.run",
    "load_spec": "mlspec.spec",
    "open_result": "mlspec.results",
    "recertify": "mlspec.run",
    "solve": "mlspec.run",
    "verify": "mlspec.run",
}


def __getattr__(name: str) -> Any:
    # Looked up on first use: reading a result or a spec need not load torch and a solver.
    if name not in _HOMES:
        raise AttributeError(f"module 'mlspec' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
