"""Models as LP and MPS files, with names that come from the network."""

from __future__ import annotations

from pathlib import Path

from mlspec.errors import InputError
from mlspec.milp.model import MilpModel

FORMATS = ("lp", "mps")


def write(model: MilpModel, path: Path, form: str) -> None:
    """Write ``model`` with all its margins in one of ``FORMATS``; the same model gives the same
    file."""
    if form not in FORMATS:
        raise InputError(f"no format '{form}': known are {', '.join(FORMATS)}")
    options = {"symbolic_solver_labels": True}
    try:
        model.pyomo.write(str(path), format=form, io_options=options)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
