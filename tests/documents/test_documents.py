"""The examples of README, CONTRIBUTING and docs run as they stand, and say what they are said to.

Only searches are cut short: each ``mlspec solve`` attacks less and ends after one complete query.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from pages import LANGUAGES, PAGES, ROOT, Example, commands, examples, missing
from shell import Ran, mlspec

from mlspec import load_spec
from mlspec.results.schema import VARIABLES
from mlspec.run import prepare
from mlspec.spec import ExperimentSpec, load_model
from mlspec.spec.training import TrainingSpec

SHORT = (
    *("--set", "budget.queries=1"),
    *("--set", "budget.seconds=120"),
    *("--set", "verifier.attack.restarts=8"),
    *("--set", "verifier.attack.steps=20"),
)
SLOW = {f"docs/howto/{name}.md" for name in ("partitions", "resume", "verify", "weights")}
"""Pages whose examples take more than some ten seconds."""

BASE = load_spec("specs/small.yaml", {"classifier.onnx": "specs/classifiers/none.onnx"})
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
WITH_EXAMPLES = [page for page in PAGES if examples(page)]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if name_of(page) in SLOW else [])
        for page in WITH_EXAMPLES
    ],
    ids=name_of,
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's exporter
def test_examples_run(page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for example in examples(page):
        place = f"{name_of(page)}:{example.line}"
        match example.language:
            case "console":
                run_commands(example, place, folder)
            case "yaml":
                read_spec(example, place, folder)
            case "python":
                exec(compile("\n" * (example.line - 1) + example.text, str(page), "exec"), names)
                assert capsys.readouterr().out.strip(), f"{place} prints nothing"
            case "sh":
                unknown = set(re.findall(r"\bmake ([a-z-]+)", example.text)) - TARGETS
                assert not unknown, f"{place}: no such targets of make"
            case language:
                assert language in LANGUAGES, f"{place}: what is a block of '{language}'?"


def run_commands(example: Example, place: str, folder: Path) -> None:
    """Run the commands of a ``console`` block and compare their output."""
    found = commands(example)
    assert found, f"{place}: no command begins with '$ '"
    for command in found:
        program, *arguments = shlex.split(command.text, comments=True)
        assert program == "mlspec", f"{place}: {command.text}"
        if arguments[0] == "solve":
            ran = searched(tuple(arguments), folder)
        else:
            ran = mlspec(*arguments, cwd=folder)
        assert ran.code == command.code, (place, command.text, ran)
        assert ran.out.strip() or ran.err.strip()
        line = missing(command.lines, ran.out + ran.err)
        assert line is None, f"{place}: '{line}' is not in the output:\n{ran.out}{ran.err}"


def searched(arguments: tuple[str, ...], folder: Path) -> Ran:
    """Run a search; one that many pages begin with is run once and its file copied."""
    spec, result = folder / arguments[1], folder / arguments[arguments.index("-o") + 1]
    if spec.exists() or "--resume" in arguments:
        return mlspec(*arguments, *SHORT, cwd=folder)
    ran, content = search_of_a_shipped_spec(arguments)
    result.write_bytes(content)
    return ran


@cache
def search_of_a_shipped_spec(arguments: tuple[str, ...]) -> tuple[Ran, bytes]:
    with TemporaryDirectory() as folder:
        ran = mlspec(*arguments, *SHORT, cwd=Path(folder))
        (result,) = Path(folder).iterdir()
        return ran, result.read_bytes()


def read_spec(example: Example, place: str, folder: Path) -> None:
    """Check a ``yaml`` block, whole or as keys of another spec, and save it under its name."""
    name = re.match(r"# (\S+\.yaml)\n", example.text)
    path = folder / (name[1] if name else "keys.yaml")
    keys = yaml.safe_load(example.text)
    whole = {"classifier", "image", "object"} <= set(keys) or "output" in keys
    text = example.text if whole else yaml.safe_dump(BASE.model_dump(mode="json") | keys)
    path.write_text(text, encoding="utf-8")
    if "output" in keys:
        load_model(path, TrainingSpec, [])
    else:
        assert prepare(load_spec(path)).problem.layering.count, place


def test_every_key_of_a_spec_is_in_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "extensions"))
    spec_keys = __import__("spec_keys")
    schema = ExperimentSpec.json_schema()
    found = {key.path: key for key in spec_keys.keys_of(schema)}
    names = set(schema["properties"])
    for part in schema["$defs"].values():
        for form in (part, *part.get("anyOf", ())):
            names |= set(form.get("properties", ()))
    assert {path.rpartition(".")[2] for path in found} == names
    assert all(key.kinds and any(key.texts) for key in found.values())
    assert {path for path, key in found.items() if key.required and "." not in path} == {
        *("classifier", "image", "object")
    }
    assert found["search.tolerance"].default == "0.02"
    assert "`whole`" in found["layers.partition"].kinds


def test_every_dimension_of_a_result_is_explained() -> None:
    page = (ROOT / "docs" / "reference" / "dataset.md").read_text(encoding="utf-8")
    dims = {dim for variable in VARIABLES.values() for dim in variable.dims}
    assert not {dim for dim in dims if f"`{dim}`" not in page}


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert not [line for line in lines if len(line) > 120]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text)
    local = [link for link in links if "://" not in link]
    assert not [link for link in local if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tests_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")))
    for file in (ROOT / "tests").rglob("test_*.py"):
        named -= set(re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.M))
    assert not named


def test_files_of_the_architecture_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith(("| a ", "| an ", "| another "))]
    assert len(rows) >= 8
    for row in rows:
        touched = re.findall(r"`([\w/]+\.(?:py|yaml))`", row.split("|")[2])
        assert 1 <= len(touched) <= 3, row
        named = [file for file in re.findall(r"`([\w/]+\.py)`", row) if "NAME" not in file]
        assert not [file for file in named if not (ROOT / file).exists()], row
