"""The command line: ``mlspec COMMAND ...``."""

from mlspec.cli.entry import main

__all__ = ["main"]
