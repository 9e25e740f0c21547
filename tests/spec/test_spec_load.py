"""Finding spec files, overrides, and the places that later errors point at."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from mlspec.errors import SpecError
from mlspec.spec import ExperimentSpec, TrainingSpec, asset_dir, load_model, load_spec
from mlspec.spec.layers import LayerGroups
from mlspec.spec.profile import SolverProfile

PAGE_4 = """\
classifier: {onnx: classifiers/pgd.onnx, labels: digits, decision: {rule: top_k, k: 2}}
image: {dataset: double-digits, split: test, index: 3}   # or {file: photo.png}
target: auto
object: {mask: dataset}
distance: linf
layers: {count: all}
weights: uniform
shrink: {policy: sensitivity}
search: {strategy: gradient}
verifier: {attack: {}, bounds: alpha, milp: {formulation: big_m, objective: decision}}
solver: highs
budget: {seconds: 300, queries: 500}
seed: 0
"""


def error_of(*args: object, **kwargs: object) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(*args, **kwargs)
    return str(caught.value)


def test_the_spec_of_the_design_loads(folder):
    (folder / "page4.yaml").write_text(PAGE_4)
    spec = load_spec(folder / "page4.yaml")
    assert spec.budget.queries == 500
    assert spec.budget.seconds == 300.0
    assert spec.solver.profile == "highs"
    assert spec.targets is None


def test_simple_aliases_work(folder, minimal):
    text = Path(minimal).read_text()
    (folder / "s.yaml").write_text(f"{text}seed: &n 7\nbudget: {{queries: *n}}\n")
    assert load_spec("s.yaml").budget.queries == 7


def test_a_missing_spec_names_the_nearest_file(minimal):
    assert error_of("t.yaml") == "t.yaml:1:1: (file): no such file; did you mean 's.yaml'?"
    assert error_of("no/s.yaml") == "no/s.yaml:1:1: (file): no such file; there is no folder no"
    assert error_of(".") == ".:1:1: (file): a folder: name a spec file in it"


@pytest.mark.parametrize("path", ["\0", "x" * 5000])
def test_an_impossible_file_name_is_a_spec_error(folder, path):
    assert "(file): cannot be read: " in error_of(path)


def test_what_ships_is_found_from_anywhere(folder):
    profile = load_model("solvers/highs.yaml", SolverProfile)
    assert profile.source.folder == asset_dir("solvers")
    hint = error_of("solvers/hihgs.yaml")
    assert hint == "solvers/hihgs.yaml:1:1: (file): no such file; did you mean 'highs.yaml'?"


def test_a_local_file_comes_before_a_shipped_one(folder):
    (folder / "solvers").mkdir()
    (folder / "solvers" / "highs.yaml").write_text("name: mine\n")
    with pytest.raises(SpecError, match=r"^solvers/highs\.yaml:1:1: backend: missing"):
        load_model("solvers/highs.yaml", SolverProfile)


# overrides


@pytest.mark.parametrize(
    "overrides",
    [
        {"budget.seconds": 60, "layers": {"groups": [[0], [1, 2]]}, "solver.threads": 2},
        ["budget.seconds=60", "layers={groups: [[0], [1, 2]]}", "solver.threads=2"],
    ],
)
def test_overrides_set_values_in_both_forms(minimal, overrides):
    spec = load_spec(minimal, overrides)
    assert spec.budget.seconds == 60.0
    assert spec.budget.queries is None
    assert isinstance(spec.layers, LayerGroups)
    assert spec.layers.groups == ((0,), (1, 2))
    assert (spec.solver.profile, spec.solver.threads) == ("highs", 2)


def test_a_mapping_given_in_python_stays_as_it_is(minimal):
    budget = {"seconds": 60}
    assert load_spec(minimal, {"budget": budget, "budget.queries": 5}).budget.queries == 5
    assert budget == {"seconds": 60}


def test_an_override_keeps_its_siblings_and_the_last_one_wins(folder):
    (folder / "s.yaml").write_text(PAGE_4)
    spec = load_spec("s.yaml", ["budget.seconds=1", "budget.seconds=2.5", "solver.gap=0"])
    assert (spec.budget.seconds, spec.budget.queries) == (2.5, 500)
    assert (spec.solver.profile, spec.solver.gap) == ("highs", 0.0)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed", "seed: write KEY=VALUE, such as budget.seconds=60"),
        ("seed=", 'seed: no value: write null, or "" for empty text'),
        ("=3", "(empty): a path is keys joined by dots, such as budget.seconds"),
        ("a..b=3", "a..b: a path is keys joined by dots, such as budget.seconds"),
        ("weights[0]=3", "weights[0]: a path is keys joined by dots, such as budget.seconds"),
        ("seed=x", "seed: expected a whole number; got 'x' (text)"),
        ("seed=1e3", "seed: 1e3 is text to YAML 1.1 readers: write 1.0e+3"),
        ("weights=[1, 1e-2]", "weights[1]: 1e-2 is text to YAML 1.1 readers: write 1.0e-2"),
        ("target=[3, {}]", "target[1]: expected text; got a mapping (empty)"),
        ("serach.step=1", "serach: unknown key; did you mean 'search'?"),
        ("solver.thread=2", "solver.thread: unknown key; valid here: profile, threads, seconds, "
         "gap, options; did you mean 'threads'?"),
        ("image.dataset.x=1", "image.dataset.x: image.dataset is 'double-digits' (text): set it "
         "as a whole"),
        ("target='3", "target: this quote is never closed"),
        ("target=\x07", "target: character '\\x07' is not allowed in YAML"),
        ("shrink={order: prose, order: prose}", "shrink.order: duplicate key, already given in an "
         "earlier place: keep one"),
    ],
)  # fmt: skip
def test_a_wrong_override_points_at_the_command_line(minimal, override, expected):
    assert error_of(minimal, [override]) == f"--set: {expected}"


def test_an_override_in_python_is_named_as_such(minimal):
    error = error_of(minimal, {"seed": 1.5})
    assert error == "<overrides>: seed: expected a whole number; got 1.5"


def test_mistakes_in_the_file_come_before_those_on_the_command_line(complaints):
    assert complaints("sed: 0\n", "seed=x")[-2:] == [
        "s.yaml:1:1: sed: unknown key; did you mean 'seed'?",
        "--set: seed: expected a whole number; got 'x' (text)",
    ]


# places for later errors


def test_later_errors_point_at_the_nearest_place(minimal):
    source = load_spec(minimal, ["solver.threads=2"]).source
    assert (
        str(source.error("object.mask", "it is empty")) == "s.yaml:3:16: object.mask: it is empty"
    )
    assert str(source.error("image.path", "m")) == "s.yaml:2:1: image.path: m"
    assert str(source.error("weights[3]", "m")) == "s.yaml:1:1: weights[3]: m"
    assert str(source.error("solver.threads", "m")) == "--set: solver.threads: m"


def test_a_spec_built_in_python_has_places_too():
    spec = ExperimentSpec(
        classifier={"onnx": "net.onnx"}, image={"file": "x.png"}, object={"component_at": [1, 2]}
    )
    assert str(spec.source.error("object", "m")) == "<spec>: object: m"


def test_paths_start_from_the_folder_of_the_spec(folder, minimal):
    (folder / "sub").mkdir()
    (folder / "sub" / "s.yaml").write_text(Path(minimal).read_text())
    (folder / "sub" / "net.onnx").touch()
    spec = load_spec("sub/s.yaml")
    assert spec.source.resolve_path("classifier.onnx", spec.classifier.onnx) == Path("sub/net.onnx")
    with pytest.raises(SpecError) as caught:
        spec.source.resolve_path("classifier.onnx", "nett.onnx")
    assert str(caught.value) == (
        "sub/s.yaml:1:20: classifier.onnx: no such file: sub/nett.onnx; did you mean 'net.onnx'?"
    )


def test_paths_on_the_command_line_may_start_from_the_working_directory(folder, minimal):
    (folder / "sub").mkdir()
    (folder / "sub" / "s.yaml").write_text(Path(minimal).read_text())
    (folder / "net.onnx").touch()
    spec = load_spec("sub/s.yaml", ["classifier.onnx=net.onnx"])
    assert spec.source.resolve_path("classifier.onnx", "net.onnx") == Path("net.onnx")
    with pytest.raises(SpecError) as caught:
        spec.source.resolve_path("classifier.onnx", "absent.onnx")
    assert str(caught.value) == (
        "--set: classifier.onnx: no such file: sub/absent.onnx or absent.onnx; "
        "paths start from the folder of the spec"
    )


def test_paths_may_name_what_ships(minimal):
    source = load_spec(minimal).source
    expected = asset_dir("solvers") / "highs.yaml"
    assert source.resolve_path("solver.profile", "solvers/highs.yaml") == expected


def test_the_source_survives_pickling_and_is_no_part_of_equality(minimal):
    spec = load_spec(minimal)
    again = pickle.loads(pickle.dumps(spec))
    assert again == spec == ExperimentSpec.from_json(spec.to_json())
    assert str(again.source.error("seed", "m")) == "s.yaml:1:1: seed: m"


def test_a_file_of_another_kind_says_which_command_takes_it(tmp_path: Path) -> None:
    training, solver = "specs/training/pgd.yaml", "solvers/highs.yaml"
    cases = {
        (training, ExperimentSpec): "the spec of a training, not the spec of an experiment: "
        "mlspec train specs/training/pgd.yaml takes it",
        ("specs/small.yaml", TrainingSpec): "not the spec of a training: mlspec solve ",
        (solver, ExperimentSpec): "the profile of a solver, not the spec of an experiment: "
        "mlspec solve SPEC --solver ",
    }
    for (file, model), said in cases.items():
        with pytest.raises(SpecError, match=re.escape(said)) as caught:
            load_model(file, model, ["seed=1"])
        assert len(str(caught.value).splitlines()) == 1
