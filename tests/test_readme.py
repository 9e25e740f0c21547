"""The examples of the README, run as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import mlspec
from mlspec.run import prepare

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_commands_run_and_say_something(tmp_path: Path) -> None:
    commands = [
        line.removeprefix("$ ")
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    assert commands
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "mlspec"
        done = subprocess.run(
            [sys.executable, "-m", "mlspec", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert done.stdout.strip()
    assert (tmp_path / "small.png").stat().st_size > 10_000
    assert (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})
    assert "robust" in capsys.readouterr().out


@pytest.mark.parametrize("block", blocks("yaml"))
def test_specs_are_valid(block: str, tmp_path: Path) -> None:
    path = tmp_path / "readme.yaml"
    path.write_text(block, encoding="utf-8")
    assert prepare(mlspec.load_spec(path)).problem.layering.count > 1


def test_every_command_of_the_command_line_is_documented() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "mlspec", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in re.findall(r"^│ ([a-z]+) ", help_text, flags=re.MULTILINE):
        assert f"mlspec {command}" in README
