"""The command line: ``mlspec COMMAND ...``."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
import time

from mlspec.errors import ExitCode


def main() -> None:
    """Run the command line; Ctrl-C while it is still loading ends it without a message."""
    began = time.monotonic()
    try:
        from mlspec.cli.entry import run

        run(began)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    finally:
        atexit.register(_leave)


def _leave() -> None:
    """Ignore Ctrl-C from now on, and skip the last garbage collection, which takes more than a
    second."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
