"""Directives that write reference pages from the code: spec keys, commands, result variables."""

from __future__ import annotations

import textwrap
from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Any

import onnx_operations
import rooms
import typer
from docutils import nodes
from spec_keys import text_of
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.util.typing import ExtensionMetadata


USAGE_WIDTH, INDENT = 76, "    "


class Generated(SphinxDirective, ABC):
    """A directive that stands for MyST text."""

    @abstractmethod
    def text(self) -> str:
        """Return the text."""

    def run(self) -> list[nodes.Node]:
        """Parse the text in place of the directive."""
        return self.parse_text_to_nodes(self.text(), allow_section_headings=True)


class SpecKeys(Generated):
    """``{spec-keys} experiment`` or ``{spec-keys} training``."""

    required_arguments = 1

    def text(self) -> str:
        """Return a section for each key of the first level."""
        from mlspec.spec import ExperimentSpec
        from mlspec.spec.training import TrainingSpec

        kind = self.arguments[0]
        model = {"experiment": ExperimentSpec, "training": TrainingSpec}[kind]
        return text_of(model.json_schema(), index=kind == "experiment")


class Commands(Generated):
    """``{commands}``: every command of the command line with its arguments and options."""

    def text(self) -> str:
        """Return a section for each command."""
        return "\n".join(command_text(name, each) for name, each in commands().items())


class ResultVariables(Generated):
    """``{result-variables}``: all variables of a result file; ``{result-variables} labels``: those
    of how labels stand."""

    optional_arguments = 1

    def text(self) -> str:
        """Return one entry for each variable."""
        from mlspec.results.labels import LABEL_VARIABLES
        from mlspec.results.schema import VARIABLES

        lines = []
        for name, variable in (LABEL_VARIABLES if self.arguments else VARIABLES).items():
            dims = f" ({', '.join(variable.dims)})" if variable.dims else ""
            unit = "" if variable.units == "1" else f", in {variable.units}"
            lines += [f"`{name}`{dims}", f": {variable.long_name}{unit}", ""]
        return "\n".join(lines)


class OnnxOperations(Generated):
    """``{onnx-operations}``: the ONNX operations that are read."""

    def text(self) -> str:
        """Return one entry for each kind."""
        return onnx_operations.text()


class Rooms(Generated):
    """``{rooms}``: the packages and modules, in the order of their imports."""

    def text(self) -> str:
        """Return one entry for each."""
        return rooms.text()


def commands() -> dict[str, Any]:
    """Return the commands by name, in the order of ``mlspec --help``."""
    import mlspec.cli.entry  # noqa: F401 (all commands join the application)
    from mlspec.cli.app import app

    group: Any = typer.main.get_command(app)
    return {name: group.commands[name] for name in group.list_commands(None)}


def command_text(name: str, command: Any) -> str:
    """Return the section of one command."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = ["mlspec", name, *(_placeholder(each) for each in arguments)]
    usage += [_usage(each) for each in options]
    lines = [f"## mlspec {name}", "", f"```{{program}} mlspec {name}", "```", ""]
    lines += ["```text", *_wrapped(usage), "```", "", _prose(command.help), ""]
    for each in arguments:
        lines += [f"```{{option}} {_placeholder(each)}", "", _prose(each.help), "```", ""]
    for each in options:
        names = ", ".join(f"{opt}{_value(each)}" for opt in each.opts)
        default = f" Default: `{each.default.value}`." if isinstance(each.default, Enum) else ""
        lines += [f"```{{option}} {names}", "", _prose(each.help) + default, "```", ""]
    return "\n".join(lines)


def _wrapped(pieces: list[str]) -> list[str]:
    """Return lines that keep each piece whole."""
    glued = " ".join(piece.replace(" ", "\N{NO-BREAK SPACE}") for piece in pieces)
    lines = textwrap.wrap(
        glued, USAGE_WIDTH, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _prose(text: str | None) -> str:
    """Return a help text as MyST: placeholders such as ``<spec name>`` are no HTML."""
    return (text or "").replace("<", "\\<")


def _placeholder(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _value(option: Any) -> str:
    """Return what follows the name of an option, after a blank; nothing follows a flag."""
    if option.metavar:
        return f" {option.metavar}"
    if option.is_flag:
        return ""
    choices = option.type_descriptor.annotation
    is_enum = isinstance(choices, type) and issubclass(choices, Enum)
    return f" {'|'.join(each.value for each in choices)}" if is_enum else " VALUE"


def _usage(option: Any) -> str:
    text = f"{option.opts[0]}{_value(option)}"
    return text if option.required else f"[{text}]{'...' if option.multiple else ''}"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directives."""
    app.add_directive("spec-keys", SpecKeys)
    app.add_directive("commands", Commands)
    app.add_directive("result-variables", ResultVariables)
    app.add_directive("rooms", Rooms)
    app.add_directive("onnx-operations", OnnxOperations)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
