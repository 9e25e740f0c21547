"""The application that the commands join, and where they print."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from mlspec import __version__
from mlspec.errors import ExitCode

out = Console()
err = Console(stderr=True)


def say(text: str, console: Console = out) -> None:
    """Print a line: on a terminal broken between words, elsewhere whole, as scripts read it."""
    console.print(Text(text), soft_wrap=not console.is_terminal)


ORDER = (
    *("solve", "check", "verify", "show", "labels", "plot"),
    *("solvers", "train", "export", "vnnlib", "schema", "new"),
)
"""How the help lists the commands: those for results first."""


class Commands(TyperGroup):
    """The commands; Ctrl-C while there is no result to keep is said and has its own exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return their names in the order of the help, whichever module was imported first."""
        known = [name for name in ORDER if name in self.commands]
        return [*known, *(name for name in self.commands if name not in ORDER)]

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was chosen."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            err.print("interrupted")
            raise typer.Exit(ExitCode.INTERRUPTED) from None


app = typer.Typer(
    name="mlspec",
    cls=Commands,
    help="Maximal robust layered neighborhoods of multi-label image classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"mlspec {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """``--debug`` is read before the commands run; it is declared here for the help."""
