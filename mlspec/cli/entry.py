"""From the shell into a command and back: signals, errors, exit codes."""

from __future__ import annotations

import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

import mlspec.cli.labels
import mlspec.cli.making
import mlspec.cli.querying
import mlspec.cli.showing
import mlspec.cli.solving
import mlspec.cli.verifying  # noqa: F401 (their commands join the application)
from mlspec.cli.app import app, err, say
from mlspec.errors import ContradictionError, ExitCode, MlspecError
from mlspec.interrupts import leave


def run(began: float) -> None:
    """Run the command line; every expected error is one clear message and an exit code.

    ``began`` is when the command was started, in ``time.monotonic()`` seconds: budgets count from
    there.
    """
    arguments = [each for each in sys.argv[1:] if each != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    # A polite kill keeps the best certified result just as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warned
            app(arguments, prog_name="mlspec", obj=began)
    except MlspecError as error:
        if debug:
            raise
        say(str(error), err)
        if isinstance(error, ContradictionError):
            _keep(error)
        leave(error.exit_code)
    except MemoryError:
        if debug:
            raise
        advice = "take fewer layers (layers: {count: N}), a smaller classifier or another machine"
        say(f"there is not enough memory for this: {advice}", err)
        sys.exit(ExitCode.INTERNAL)
    except Exception as error:
        if debug:
            raise
        message = f"internal error: {type(error).__name__}: {error}; please report it with --debug"
        say(message, err)
        sys.exit(ExitCode.INTERNAL)


def _warned(message: Warning | str, *_: Any, **__: Any) -> None:
    say(str(message), err)


def _keep(error: ContradictionError) -> None:
    path = Path("contradiction.npz")
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in error.evidence.items()}
    np.savez(path, **arrays)
    err.print(Text(f"evidence saved in {path}"))
