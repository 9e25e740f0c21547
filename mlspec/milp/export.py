"""Models as LP and MPS files, with names that come from the network."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from pyomo.common.log import LoggingIntercept
from pyomo.opt import ProblemFormat

from mlspec.errors import InputError
from mlspec.milp.model import MilpModel

FORMATS: Mapping[str, ProblemFormat] = {"lp": ProblemFormat.cpxlp, "mps": ProblemFormat.mps}


def write(model: MilpModel, path: Path, form: str) -> None:
    """Write ``model`` with all its margins in one of ``FORMATS``; the same model gives the same
    file."""
    if form not in FORMATS:
        raise InputError(f"no model is written as '{form}': known are {', '.join(FORMATS)}")
    options = {"symbolic_solver_labels": True}
    try:
        # A decision has no objective, which is worth a warning to Pyomo.
        with LoggingIntercept(StringIO(), "pyomo"):
            model.pyomo.write(str(path), format=FORMATS[form], io_options=options)
        if form == "mps":
            # Minimising is the default, and not every reader knows the section that says so.
            path.write_text(path.read_text().replace("OBJSENSE\n MIN\n", "", 1))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
