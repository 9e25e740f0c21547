"""Laws of the sources: numbers that tune a method are fields of it, and matches are whole."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "mlspec").rglob("*.py")}
NUMBERS = "mlspec/tolerances.py"
"""The one module whose numbers are module-level variables."""


def numeric_globals(tree: ast.Module) -> Iterator[str]:
    """Yield the names of module-level variables whose values are numbers, or consist of numbers."""
    known: set[str] = set()
    for target, value in assignments(tree.body):
        if is_numeric(value, known):
            names = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
            known |= names
            yield from sorted(names)


def assignments(body: list[ast.stmt]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield targets and values of assignments outside functions and classes, one by one."""
    for statement in body:
        match statement:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from pairs(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield target, value
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                blocks = (getattr(statement, name, []) for name in ("body", "orelse", "finalbody"))
                for block in blocks:
                    yield from assignments(block)
                for handler in getattr(statement, "handlers", []):
                    yield from assignments(handler.body)
            case _:
                pass


def pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield the single assignments of ``a, b = 1, 2``."""
    match target, value:
        case ast.Tuple(elts=names), ast.Tuple(elts=values) if len(names) == len(values):
            for name, each in zip(names, values, strict=True):
                yield from pairs(name, each)
        case _:
            yield target, value


def is_numeric(value: ast.expr, known: set[str]) -> bool:
    """Say whether an expression consists of numbers; ``known`` are names of such."""

    def all_numeric(parts: list[ast.expr]) -> bool:
        return bool(parts) and all(is_numeric(part, known) for part in parts)

    match value:
        case ast.Constant(value=number):
            return isinstance(number, int | float | complex) and not isinstance(number, bool)
        case ast.Name(id=name):
            return name in known
        case ast.UnaryOp(operand=operand):
            return is_numeric(operand, known)
        case ast.BinOp(left=left, right=right):
            return all_numeric([left, right])
        case ast.IfExp(body=body, orelse=other):
            return all_numeric([body, other])
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return all_numeric(parts)
        case ast.Dict(values=parts):
            return all_numeric(parts)
        case ast.Starred(value=part):
            return is_numeric(part, known)
        case ast.Call(args=parts):
            return all_numeric([*parts, *(keyword.value for keyword in value.keywords)])
        case _:
            return False


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {NUMBERS}))
def test_numbers_are_fields_of_what_they_tune(name: str) -> None:
    """A number in a module-level variable can be neither given nor seen: it belongs to the frozen
    dataclass of its method, with unit and meaning; constants of a format are class attributes."""
    found = list(numeric_globals(ast.parse(MODULES[name].read_text())))
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        *("A = 1", "A: float = -1e-6", "A: Final = 2.0**-40", "A = B = 3", "B, A = 'x', 4"),
        *("A = (1, 2.5)", "A = [0.1]", "A = {1, 2}", "A = {'x': 1, 'y': 2}", "A = -(1 + 2j)"),
        *("B = 'x'\nA = math.sqrt(2.0)", "if True:\n    A = 1", "try:\n    A = 1\nfinally: ..."),
        *(
            "for _ in ():\n    A = 7",
            "A = 1 if X else 2",
            "A = np.array([1.0, 2.0])",
            "A = (*(1, 2),)",
        ),
        "A = dict(x=1)",
    ],
)
def test_numeric_globals_are_found(source: str) -> None:
    assert "A" in list(numeric_globals(ast.parse(source)))


def test_what_is_made_of_numeric_globals_is_one() -> None:
    tree = ast.parse("from m import X\nA = 2\nB = A * 3\nC = X\nD = (A, B)")
    assert list(numeric_globals(tree)) == ["A", "B", "D"]


@pytest.mark.parametrize(
    "source",
    [
        *("A = 'x'", "A = True", "A = None", "A = ()", "A = Path('x')", "A = {'x': True}"),
        *("class A:\n    b: float = 1.0", "def a(b=1):\n    c = 2", "class A(Enum):\n    B = 1"),
        *("A = Deadline()", "A = {'x': 'y'}", "A = x.y", "A = lambda: 1", "A = [x, 1]"),
    ],
)
def test_nothing_else_is_taken_for_one(source: str) -> None:
    assert not list(numeric_globals(ast.parse(source)))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_default_case_passes_in_silence(name: str) -> None:
    """``case _: pass`` would let a new kind of op, outcome or stage through unseen."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Match):
            for case in node.cases:
                if isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None:
                    idle = isinstance(case.body[0], ast.Pass | ast.Continue)
                    assert not idle, f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_match_ends_in_a_default_case(name: str) -> None:
    """Of a kind it does not know a match has to say something: mostly ``assert_never``."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Match):
            last = node.cases[-1]
            bare = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
            assert bare, f"{name}:{node.lineno}"
            assert last.guard is None, f"{name}:{node.lineno}"


def test_matches_have_to_be_whole() -> None:
    """Mypy refuses a match that leaves a case out: none falls through unseen."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert "exhaustive-match" in options["enable_error_code"]
    assert not any("exhaustive-match" in path.read_text() for path in MODULES.values())


METHODS = ("attack", "bounds", "branching", "milp", "search", "verifier")
"""Rooms whose frozen dataclasses hold the numbers that tune a method."""


def fields_without_meaning(tree: ast.Module) -> Iterator[str]:
    """Yield the public fields of numbers, in frozen dataclasses, that no docstring follows."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or "frozen=True" not in decorators(node):
            continue
        for field, after in zip(node.body, [*node.body[1:], None], strict=True):
            match field, after:
                case ast.AnnAssign(value=ast.expr() as value), ast.Expr(value=ast.Constant()):
                    continue
                case ast.AnnAssign(target=target, value=ast.expr() as value), _:
                    if is_numeric(value, set()) and ast.unparse(target) != "seconds":
                        yield f"{node.name}.{ast.unparse(target)}"
                case _:
                    continue


def decorators(node: ast.ClassDef) -> str:
    return " ".join(ast.unparse(each) for each in node.decorator_list)


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.split("/")[1] in METHODS))
def test_numbers_that_tune_a_method_say_what_they_are(name: str) -> None:
    assert not list(fields_without_meaning(ast.parse(MODULES[name].read_text())))


def test_a_number_without_meaning_is_found() -> None:
    source = "@dataclass(frozen=True)\nclass A:\n    b: int = 1\n    c: float = -2.0\n    'told'\n"
    assert list(fields_without_meaning(ast.parse(source))) == ["A.b"]
