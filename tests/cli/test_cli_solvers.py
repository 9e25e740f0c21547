"""Solvers on the command line: the list, the choice, the export, and what is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_cases import SMALL, mlspec

from mlspec.errors import MlspecError
from mlspec.spec import profile_names

SOLVERS = ("highs", "gurobi", "cplex", "scip", "glpk")
LARGE = "specs/none_img3.yaml"
"""Its models fit no free licence."""
ROBUST, VIOLATED = 0.00105, 0.0011
"""Uniform radii of the small spec, on both sides of the attack radius; bounds leave both open, and
the first needs a solver."""


def test_the_list_names_every_solver_with_its_version_and_limit(tmp_path: Path) -> None:
    ran = mlspec("solvers", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    for name in profile_names():
        assert re.search(rf"^{name} ", ran.out, flags=re.MULTILINE)
    for name in SOLVERS:
        assert re.search(rf"^{name} +\d+\.\d+", ran.out, flags=re.MULTILINE)
    assert re.search(r"^gurobi .* 2,000 / 2,000 ", ran.out, flags=re.MULTILINE)
    assert re.search(r"^cplex .* 1,000 / 1,000 ", ran.out, flags=re.MULTILINE)


def test_the_list_says_how_to_install_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gurobipy", None)
    (tmp_path / "solvers").mkdir()
    mine = (Path("solvers") / "highs.yaml").read_text().replace("name: highs", "name: mine")
    (tmp_path / "solvers" / "mine.yaml").write_text(mine)
    ran = mlspec("solvers", cwd=tmp_path)
    assert re.search(r"^gurobi +- .*missing: pip install", ran.out, flags=re.MULTILINE)
    assert re.search(r"^mine +\d", ran.out, flags=re.MULTILINE)


def test_check_says_what_fits_which_licence(tmp_path: Path) -> None:
    ran = mlspec("check", SMALL, LARGE, cwd=tmp_path)
    said = " ".join(ran.out.split())
    assert ran.code == 0
    small, large = said.split("none_img3: ready to solve")
    assert "fits the free licence of cplex" in small
    assert "fits the free licence of gurobi" in small
    assert "too large for the free licence of gurobi" in large
    assert re.search(r"models up to [\d,]+ variables and [\d,]+ constraints", small)


@pytest.mark.parametrize("command", ["check", "solve", "verify"])
def test_a_model_over_the_licence_is_refused_before_the_work_starts(
    command: str, tmp_path: Path
) -> None:
    # Neither bounds nor an attack decide this neighborhood.
    asked = ["--eps", "0.0041", "--set", "verifier.bounds=crown"] if command == "verify" else []
    ran = mlspec(command, LARGE, "--solver", "cplex", *asked, cwd=tmp_path)
    said = " ".join((ran.out + ran.err).split())
    assert ran.code == 3
    assert "too many for the licence of CPLEX that is installed" in said
    assert "solver: auto" in said
    assert not list(tmp_path.rglob("*.nc"))


def test_what_an_attack_answers_needs_no_licence(tmp_path: Path) -> None:
    ran = mlspec("verify", LARGE, "--solver", "cplex", "--eps", "0.006", cwd=tmp_path)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("violated\n")
    assert "decided by attack" in ran.out


@pytest.mark.parametrize("command", ["check", "solve"])
def test_a_missing_solver_is_said_before_the_work_starts(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyscipopt", None)
    ran = mlspec(command, SMALL, "--solver", "scip", cwd=tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == "SCIP is not installed: pip install 'mlspec[scip]'\n"


def test_an_unknown_option_is_refused_where_it_stands(tmp_path: Path) -> None:
    options = "solver={profile: gurobi, options: {MIPGapp: 0.1}}"
    ran = mlspec("check", SMALL, "--set", options, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "--set: solver.options.MIPGapp: Gurobi has no parameter 'MIPGapp'\n"


@pytest.mark.parametrize("name", [*SOLVERS, "auto", "highs,scip"])
def test_every_choice_decides_both_ways(name: str, tmp_path: Path) -> None:
    for eps, word, code in ((ROBUST, "robust", 0), (VIOLATED, "violated", 1)):
        ran = mlspec("verify", SMALL, "--eps", str(eps), "--solver", name, cwd=tmp_path)
        assert (ran.out.split()[0], ran.code) == (word, code), ran.out + ran.err


READERS = {
    "HiGHS": (
        "import sys, highspy; h = highspy.Highs(); h.silent(); h.readModel(sys.argv[1]); h.run();"
        "print(h.modelStatusToString(h.getModelStatus()) == 'Optimal')"
    ),
    "SCIP": (
        "import sys, pyscipopt; s = pyscipopt.Model(); s.hideOutput(); s.readProblem(sys.argv[1]);"
        "s.optimize(); print(s.getStatus() == 'optimal')"
    ),
    "Gurobi": (
        "import sys, gurobipy; e = gurobipy.Env(params={'OutputFlag': 0});"
        "m = gurobipy.read(sys.argv[1], e); m.optimize(); print(m.SolCount > 0)"
    ),
    "CPLEX": (
        "import sys, cplex; c = cplex.Cplex();"
        "[f(None) for f in (c.set_log_stream, c.set_results_stream, c.set_warning_stream)];"
        "c.read(sys.argv[1]); c.solve(); print(c.solution.is_primal_feasible())"
    ),
}
"""Programs, each for a process of its own, that say whether a file has a point."""


def feasible(code: str, file: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
    )
    return done.stdout.split()[-1] == "True"


@pytest.mark.parametrize("form", ["lp", "mps"])
def test_an_outside_program_gives_the_exported_file_the_same_verdict(
    form: str, tmp_path: Path
) -> None:
    for eps, violated in ((ROBUST, False), (VIOLATED, True)):
        ran = mlspec("export", SMALL, "--format", form, "--eps", str(eps), cwd=tmp_path)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(f"wrote small.{form}: ")
        for name, code in READERS.items():
            assert feasible(code, tmp_path / f"small.{form}") == violated, name


def test_an_export_writes_a_file_for_each_target_whatever_its_name(tmp_path: Path) -> None:
    names = ["0", "1", "a/b", "3", "4", "5", "6", "7", "a_b", "9"]
    changes = ("--set", f"classifier.labels={names}", "--set", "target=[a/b, a_b]")
    options = ("--format", "lp", "--eps", "0.001", "-o", "m.lp")
    ran = mlspec("export", SMALL, *changes, *options, cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    written = sorted(file.name for file in tmp_path.iterdir())
    assert written == ["m.1_a_b.lp", "m.2_a_b.lp"]
    assert all(name in ran.out for name in written)


def test_an_export_is_reproducible_and_its_names_come_from_the_network(tmp_path: Path) -> None:
    texts = []
    for name in ("a.lp", "b.lp"):
        ran = mlspec("export", SMALL, "--format", "lp", "-o", name, cwd=tmp_path)
        assert ran.code == 0
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert "relu1_y(" in texts[0]
    assert "maxpool3_b(" in texts[0]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--format", "smt2"], "no format 'smt2': known are lp, mps, vnnlib"),
        (["--format", "lp", "-o", "/dev/null/x.lp"], "/dev/null/x.lp: cannot be written ("),
        (["--format", "lp", "--eps", "2"], "epsilons lie in [0, 1]"),
    ],
)
def test_mistakes_of_an_export_are_clear(arguments: list[str], line: str, tmp_path: Path) -> None:
    ran = mlspec("export", SMALL, *arguments, cwd=tmp_path)
    assert (ran.code, ran.out) == (MlspecError.exit_code, "")
    assert line in ran.err
