"""The command line: ``mlspec COMMAND ...``."""

from __future__ import annotations

import sys

from mlspec.interrupts import EXIT_CODE


def main() -> None:
    """Run the command line; Ctrl-C while it is still loading ends it without a word."""
    try:
        from mlspec.cli.entry import run

        run()
    except KeyboardInterrupt:
        sys.exit(EXIT_CODE)
