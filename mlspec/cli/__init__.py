"""The command line: ``mlspec COMMAND ...``."""

from __future__ import annotations

import atexit
import gc
import sys
import time

from mlspec.interrupts import EXIT_CODE


def main() -> None:
    """Run the command line; Ctrl-C while it is still loading ends it without a word."""
    began = time.monotonic()
    # At the end nothing is worth a last look for garbage, which takes more than a second.
    atexit.register(gc.freeze)
    try:
        from mlspec.cli.entry import run

        run(began)
    except KeyboardInterrupt:
        sys.exit(EXIT_CODE)
