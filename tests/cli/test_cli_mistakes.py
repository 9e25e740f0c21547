"""Every mistake a user can make gives clear lines on stderr, exit code 2, and nothing else."""

from __future__ import annotations

import json
from importlib import import_module
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from cli_cases import SMALL, mlspec, spec_with
from PIL import Image
from rich.console import Console

from mlspec import open_result
from mlspec.cli.app import say
from mlspec.errors import DataError
from mlspec.results import save, store

# Lines of a spec (see `spec_with`) and the error they give after FILE:.
SPEC_MISTAKES = {
    "unknown key": ("objct: {}", "4:1: objct: unknown key; did you mean 'object'?"),
    "wrong type": ("seed: many", "4:7: seed: expected a whole number; got 'many' (text)"),
    "1e-3": (
        "budget: {seconds: 1e-3}",
        "4:19: budget.seconds: 1e-3 is text to YAML 1.1 readers: write 1.0e-3",
    ),
    "duplicate key": (
        "seed: 1\nseed: 2",
        "5:1: seed: duplicate key, already given in line 4: keep one",
    ),
    "missing classifier": (
        "classifier: {onnx: specs/classifiers/nome.onnx}",
        "1:20: classifier.onnx: no such file: specs/classifiers/nome.onnx; "
        "did you mean 'none.onnx'?",
    ),
    "missing image": (
        "image: {file: nowhere.png}",
        "2:15: image.file: no such file: nowhere.png",
    ),
    "missing mask": (
        "object: {file: nowhere.png}",
        "3:16: object.file: no such file: nowhere.png",
    ),
    "missing dataset": (
        "image: {dataset: double-mnist, index: 3}",
        "2:8: image: dataset 'double-mnist' needs a path: the folder that holds the MNIST files",
    ),
    "classifier that is none": (
        "classifier: {onnx: junk}",
        "1:20: classifier.onnx: junk: not a valid ONNX model (",
    ),
    "image that is none": (
        "image: {file: junk}",
        "2:15: image.file: junk: not an image in a known format (PNG, JPEG, ...)",
    ),
    "image of another shape": (
        "image: {dataset: triple-digits, index: 3}",
        "2:8: image: the image is 1 × 84 × 84 (channels × height × width), "
        "the classifier takes 1 × 64 × 64",
    ),
    "image file of another shape": (
        "image: {file: tiny.png}\nobject: {box: [1, 1, 3, 3]}\ntarget: '9'",
        "2:8: image: the image is 1 × 8 × 8 (channels × height × width), "
        "the classifier takes 1 × 64 × 64",
    ),
    "coloured image": (
        "image: {file: red.png}\nobject: {box: [1, 1, 3, 3]}\ntarget: '9'",
        "2:8: image: the image is 3 × 64 × 64 (channels × height × width), "
        "the classifier takes 1 × 64 × 64",
    ),
    "mask of another shape": (
        "object: {file: tiny.png}",
        "3:9: object: the mask is (8, 8), the image (64, 64)",
    ),
    "mask empty": ("object: {file: black.png}", "3:16: object.file: black.png: the mask is empty"),
    "box outside": (
        "object: {box: [0, 0, 64, 65]}",
        "3:15: object.box: [0, 0, 64, 65] leaves the image, which has 64 rows and 64 columns: "
        "y1 and x1 are at most that",
    ),
    "component in the dark": (
        "object: {component_at: [0, 0]}",
        "3:24: object.component_at: there is no bright pixel at [0, 0]: give one above 0.1",
    ),
    "component outside": (
        "object: {component_at: [64, 0]}",
        "3:24: object.component_at: [64, 0] lies outside of the image, which has 64 rows and 64 ",
    ),
    "no such object": (
        "object: {mask: dataset, index: 2}",
        "3:32: object.index: there is no object 2: they count from 0 to 1",
    ),
    "folders": (
        "classifier: {onnx: folder}",
        "1:20: classifier.onnx: folder: a folder; name the file in it",
    ),
    "a folder as image": (
        "image: {file: folder}",
        "2:15: image.file: folder: a folder; name the file in it",
    ),
    "a folder as mask": (
        "object: {file: folder}",
        "3:16: object.file: folder: a folder; name the file in it",
    ),
    "mask with NaN": (
        "object: {file: nan.npy}",
        "3:16: object.file: nan.npy: holds NaN, expected zeros and other numbers",
    ),
    "the same object twice": (
        "object: [{mask: dataset}, {mask: dataset}]\naround: each",
        "3:27: object[1]: all its pixels belong to objects before it",
    ),
    "a file of another kind": (
        "classifier: {onnx: nan.onnx}",
        "1:20: classifier.onnx: no such file: nan.onnx; paths start from the folder of the spec",
    ),
    "a number of layers alone": (
        "layers: 3",
        "4:9: layers: expected one of layers, groups, grid, pixels, whole, or a mapping of its "
        "keys; got 3",
    ),
    "a box of one number": (
        "layers: {box: 8}",
        "4:15: layers.box: two whole numbers are needed, such as [8, 8]",
    ),
    "a float for a whole number": (
        "seed: 3.0",
        "4:7: seed: expected a whole number; got 3.0",
    ),
    "label not shown": (
        "object: {mask: dataset, label: '5'}",
        "3:32: object.label: the image shows 3, 9, not '5'",
    ),
    "dataset mask of a file": (
        "image: {file: tiny.png}",
        "3:16: object.mask: an image file has no dataset's mask: give file, box or component_at",
    ),
    "target that nobody names": (
        "object: {box: [0, 0, 2, 2]}",
        "1:1: target: auto needs a dataset that names the objects of the image: give a label",
    ),
    "target not predicted": (
        "target: '7'",
        "4:9: target: the classifier predicts 3 and 9 for this image, not 7: there is no "
        "robustness to measure; choose another image or target",
    ),
    "target not a label": ("target: nine", "4:9: target: no label 'nine' in 0, 1, 2"),
    "target twice": ("target: ['9', '9']", "4:9: target: label '9' is there twice: keep one"),
    "image misread": (
        "classifier: {onnx: specs/classifiers/none.onnx, decision: {k: 1}}",
        "2:8: image: the classifier predicts 3 for this image, not 9: there is no robustness to "
        "measure; choose another image",
    ),
    "labels that do not fit": (
        "classifier: {onnx: specs/classifiers/none.onnx, labels: [a, b, c]}",
        "1:57: classifier.labels: 3 names, but the classifier has 10 scores",
    ),
    "too many layers": (
        "layers: {count: 41}",
        "4:17: layers.count: 41 layers do not exist: the image holds 40; give fewer",
    ),
    "layer beyond the last": (
        "layers: {groups: [[0], [40]]}",
        "4:18: layers.groups: layer 40 does not exist: the last one is 39; give fewer",
    ),
    "weights that do not fit": (
        "weights: [1, 2]",
        "4:10: weights: 2 weights for 40 layers: give one per layer",
    ),
    "no such solver": (
        "solver: hihgs",
        "4:9: solver: no solver profile 'hihgs'; known: auto, cplex, glpk, "
        "gurobi, highs, highs-mip, scip, or the path of a profile ending in .yaml; "
        "did you mean 'highs'?",
    ),
    "missing solver profile": (
        "solver: {profile: mine.yaml}",
        "4:19: solver.profile: no such file: mine.yaml",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files that are wrong, each in its way."""
    (tmp_path / "junk").write_bytes(b"junk")
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "nan.npy", np.full((64, 64), np.nan))
    Image.new("L", (64, 64)).save(tmp_path / "black.png")
    Image.new("L", (8, 8), 255).save(tmp_path / "tiny.png")
    Image.new("RGB", (64, 64), (255, 0, 0)).save(tmp_path / "red.png")
    return tmp_path


@pytest.mark.parametrize("name", SPEC_MISTAKES)
def test_a_spec_mistake_is_one_line_with_its_place(name: str, folder: Path) -> None:
    text, expected = SPEC_MISTAKES[name]
    (folder / "s.yaml").write_text(spec_with(text))
    ran = mlspec("check", "s.yaml", cwd=folder)
    assert ran.code == 2
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith(f"s.yaml:{expected}")


@pytest.mark.parametrize("command", ["solve", "check", "verify", "train"])
def test_every_command_reports_spec_mistakes_alike(command: str, folder: Path) -> None:
    (folder / "s.yaml").write_text("seed: x\n")
    ran = mlspec(command, "s.yaml", cwd=folder)
    assert (ran.code, ran.out) == (2, "")
    assert "s.yaml:1:7: seed: expected a whole number; got 'x' (text)" in ran.err.splitlines()
    assert "Traceback" not in ran.err
    assert [file.name for file in folder.iterdir() if file.name == "results"] == []


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
