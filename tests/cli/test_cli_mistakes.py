"""Every wrong argument or file gives one clear line on stderr, exit code 2, and nothing else."""

from __future__ import annotations

import json
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
from cli_cases import SMALL, mlspec
from rich.console import Console

from mlspec import open_result
from mlspec.cli.app import say
from mlspec.errors import DataError
from mlspec.results import save, store


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["check", "smal.yaml"], "smal.yaml:1:1: (file): no such file"),
        (["check", "specs/smal.yaml"], "did you mean 'small.yaml'?"),
        (["check", "."], ".:1:1: (file): a folder: name a spec file in it"),
        (["check", SMALL, "--set", "budget"], "--set: budget: write KEY=VALUE"),
        (["check", SMALL, "--set", "budget.secnds=1"], "--set: budget.secnds: unknown key"),
        (["check", SMALL, "--set", "seed=1e3"], "--set: seed: 1e3 is text to YAML 1.1 readers"),
        (
            ["check", SMALL, "--set", "classifier.onnx=nowhere.onnx"],
            "--set: classifier.onnx: no such file",
        ),
        (
            ["solve", SMALL, "--solver", "nonsense"],
            "no solver profile 'nonsense'; known: auto, cplex",
        ),
        (
            ["solve", SMALL, "--budget", "0"],
            "--budget: budget.seconds: expected a number above 0; got 0.0",
        ),
        (["check", SMALL, "--solver", ""], "--solver: solver.profile: expected text that is not"),
        (["check", SMALL, "--solver", "highs,"], "--solver: solver[1].profile: expected text that"),
        (["verify", SMALL], "a spec needs --eps V, or --eps V,V,..."),
        (["verify", SMALL, "--eps", "x"], "--eps: 'x' is not a number"),
        (["verify", SMALL, "--eps", "0.1,,0.1"], "--eps: '0.1,,0.1' is not a number"),
        (["verify", SMALL, "--eps", "0.1" + 98 * ",0.1"], "99 epsilons for "),
        (["verify", SMALL, "--eps", "-0.1"], "epsilons lie in [0, 1]"),
        (["verify", SMALL, "--eps", "1.1"], "epsilons lie in [0, 1]"),
        (["verify", SMALL, "--eps", "nan"], "epsilons lie in [0, 1]"),
        (["verify", "none.nc"], "none.nc: there is no such file"),
        (["show", "none.nc"], "none.nc: there is no such file"),
        (["show", "junk"], "junk: not a netCDF file; a result is written by 'mlspec solve'"),
        (["plot", "junk"], "junk: not a netCDF file; a result is written by 'mlspec solve'"),
        (
            ["verify", SMALL, "--set", "layers=pixels", "--eps", "2"],
            "--eps: epsilons lie in [0, 1]",
        ),
        (["new", ""], "'' is no name of a spec: give one such as mine"),
        (["new", ".."], "'..' is no name of a spec"),
        (["new", "no/such/folder"], "no/such/folder.yaml cannot be written"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(arguments: list[str], line: str, folder: Path) -> None:
    ran = mlspec(*arguments, cwd=folder)
    assert (ran.code, ran.out) == (2, "")
    (said,) = ran.err.splitlines()
    assert line in said


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["solve"], "Missing argument 'SPEC'"),
        (["nonsense"], "No such command 'nonsense'"),
        (["solve", SMALL, "--budgt", "1"], "No such option: --budgt"),
        (["solve", SMALL, "other.yaml"], "unexpected extra argument"),
        (["solve", SMALL, "--budget", "long"], "Invalid value for '--budget'"),
        (["show"], "Missing argument"),
    ],
)
def test_wrong_usage_says_how_to_get_help(arguments: list[str], word: str, folder: Path) -> None:
    ran = mlspec(*arguments, cwd=folder)
    assert (ran.code, ran.out) == (2, "")
    assert word in ran.err
    assert "--help" in ran.err


@pytest.mark.parametrize("position", [1, 3])
def test_debug_shows_the_traceback(position: int, tmp_path: Path) -> None:
    arguments = ["mlspec", "check", "no.yaml"]
    arguments.insert(position, "--debug")
    with pytest.raises(Exception, match=r"no\.yaml:1:1: \(file\): no such file"):
        mlspec(*arguments[1:], cwd=tmp_path)


def test_a_result_brings_its_own_epsilons_and_spec(solved: Path, tmp_path: Path) -> None:
    for extra in (["--eps", "0.1"], ["--set", "seed=1"]):
        ran = mlspec("verify", solved, *extra, cwd=tmp_path)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.strip() == (
            "a result has its own epsilons and spec: leave --eps and --set out"
        )


@pytest.mark.parametrize(
    ("solver", "complaint"),
    [
        ("nonsense", "solver: no solver profile 'nonsense'; known: auto, cplex"),
        ("", "solver.profile: expected text that is not empty; got '' (text)"),
        ("highs,", "solver[1].profile: expected text that is not empty; got '' (text)"),
        ("highs,highs", "solver: solver 'highs' is there twice: name each once"),
        ("auto,highs", "solver: 'auto' chooses one solver: give it alone"),
    ],
)
def test_a_result_is_verified_only_by_a_known_solver(
    solver: str, complaint: str, solved: Path, tmp_path: Path
) -> None:
    ran = mlspec("verify", solved, "--solver", solver, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"--solver: {complaint}")


def test_a_result_of_a_solver_that_is_gone_says_what_to_do(solved: Path, tmp_path: Path) -> None:
    ds = open_result(solved)
    spec = json.loads(ds.attrs["spec"])
    spec["solver"]["profile"] = "mine.yaml"
    save(ds.assign_attrs(spec=json.dumps(spec)), tmp_path / "r.nc")
    ran = mlspec("verify", "r.nc", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("r.nc: solver: no such file: mine.yaml")
    assert ran.err.endswith("any other can verify the result, such as --solver highs\n")
    assert mlspec("verify", "r.nc", "--solver", "highs", cwd=tmp_path).code == 0


def test_a_damaged_result_is_refused(solved: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.nc").write_bytes(solved.read_bytes()[:5000])
    for command in ("show", "plot", "verify"):
        ran = mlspec(command, "cut.nc", cwd=tmp_path)
        assert (ran.code, ran.out) == (2, "")
        assert "cut.nc: a netCDF file that is cut short or damaged" in ran.err


def test_epsilons_that_were_tampered_with_are_not_robust(solved: Path, tmp_path: Path) -> None:
    ds = open_result(solved)
    ds["epsilon"].values[:] = 1.0
    save(ds, tmp_path / "bigger.nc")
    ran = mlspec("verify", "bigger.nc", cwd=tmp_path)
    assert ran.code == 1
    assert ran.out.startswith("violated\n")


@pytest.mark.parametrize(
    ("command", "work"),
    [
        (["solve", SMALL, "-o", "taken.png"], "mlspec.run.maximiser_of"),
        (["plot", "r.nc", "-o", "taken.png"], "mlspec.report.figure.plot"),
        (
            ["train", "specs/training/pgd.yaml", "--set", "output=taken.png"],
            "mlspec.train.train.fit",
        ),
        (["export", SMALL, "--format", "lp", "-o", "taken.png"], "mlspec.export.write_models"),
    ],
)
def test_a_place_that_cannot_be_written_is_said_early(
    command: list[str], work: str, solved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken.png").mkdir()
    (tmp_path / "r.nc").write_bytes(solved.read_bytes())
    module, _, name = work.rpartition(".")
    monkeypatch.setattr(import_module(module), name, None)
    ran = mlspec(*command, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "taken.png: cannot be written (it is a folder); give another place\n"


def test_an_answer_that_cannot_be_saved_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(ds: object, path: Path) -> None:
        raise DataError(f"{path}: the result cannot be written (no space); give another place")

    monkeypatch.setattr(store, "_write", full)
    ran = mlspec("solve", SMALL, "--budget", "1.0e-6", "-o", "r.nc", cwd=tmp_path)
    assert ran.code == 2
    assert "label 2 stays predicted" in ran.out
    assert "saved" not in ran.out
    warning, error = ran.err.splitlines()
    assert warning == f"{error}; the search goes on"


def test_lines_break_between_words_on_a_terminal_and_nowhere_else() -> None:
    text = "the earlier result in some/folder/name.nc is better and stays; --force replaces it"
    for terminal, lines in ((True, 2), (False, 1)):
        console = Console(file=StringIO(), width=60, force_terminal=terminal, color_system=None)
        say(text, console)
        assert isinstance(console.file, StringIO)
        printed = console.file.getvalue().splitlines()
        assert len(printed) == lines
        assert " ".join(printed).split() == text.split()
