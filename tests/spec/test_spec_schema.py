"""The models: defaults, JSON round trips, and what no mistake can lead to."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.errors import SpecError
from mlspec.spec import ExperimentSpec, load_spec, spec_template
from mlspec.spec.search import SolverChoice

REQUIRED: dict[str, Any] = {
    "classifier": {"onnx": "specs/classifiers/pgd.onnx"},
    "image": {"dataset": "double-digits", "index": 3},
    "object": {"mask": "dataset"},
}

patient = settings(deadline=None)

positive = st.floats(min_value=1e-9, max_value=1e9)
fraction = st.floats(min_value=1e-9, max_value=1.0, exclude_max=True)
count = st.integers(1, 1000)
index = st.integers(0, 1000)
word = st.text("abcxyz", min_size=1, max_size=6)


def some_of(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


specs = st.fixed_dictionaries(
    {
        "classifier": st.fixed_dictionaries(
            {"onnx": word},
            optional={
                "decision": some_of(k=st.integers(1, 9))
                | st.fixed_dictionaries(
                    {
                        "rule": st.just("threshold"),
                        "scale": st.just("logit"),
                        "tau": positive | st.lists(positive, min_size=10, max_size=10),
                    }
                )
            },
        ),
        "image": st.fixed_dictionaries({"file": word})
        | st.fixed_dictionaries(
            {"dataset": st.sampled_from(["double-mnist", "triple-digits"]), "index": index},
            optional={"split": st.sampled_from(["test", "train"]), "path": st.none() | word},
        ),
        "object": st.just({"mask": "dataset"})
        | st.fixed_dictionaries({"file": word})
        | st.builds(lambda y, x, h, w: {"box": [y, x, y + h, x + w]}, index, index, count, count)
        | st.builds(lambda y, x: {"component_at": [y, x]}, index, index)
        | st.just([{"mask": "dataset"}, {"mask": "dataset", "index": 1}]),
    },
    optional={
        "target": st.just("auto") | st.integers(0, 9) | st.lists(st.integers(0, 9), min_size=1),
        "distance": st.sampled_from(["l1", "l2", "linf"]),
        "layers": st.builds(lambda n: {"count": n}, st.just("all") | count)
        | st.builds(lambda a, b: {"groups": [[a], [a + b, a + b + 1]]}, index, count)
        | st.builds(lambda h, w, n: {"box": [h, w], "count": n}, count, count, count)
        | st.builds(lambda r, c: {"split": [r, c]}, count, count)
        | st.sampled_from(["layers", "pixels", "whole", {"partition": "pixels", "count": 3}]),
        "around": st.sampled_from(["object", "target", "all"]),
        "asymmetric": st.booleans(),
        "weights": st.sampled_from(
            ["uniform", "linear", "inverse_square", "inverse_cube", "pixels", "sensitivity"]
        ),
        "shrink": some_of(policy=st.sampled_from(["fixed", "counterexample"])),
        "search": some_of(
            strategy=st.sampled_from(["gradient", "naive"]),
            objective=st.sampled_from(["weighted_sum", "max_min", "log_volume"]),
            step=fraction,
        ),
        "verifier": some_of(attack=some_of(restarts=count), milp=some_of(seconds=positive)),
        "solver": word
        | st.lists(word, min_size=2, max_size=3, unique=True)
        | some_of(
            profile=word,
            threads=st.none() | count,
            gap=positive,
            options=st.dictionaries(word, st.booleans() | st.integers() | positive | word),
        ),
        "budget": some_of(seconds=positive, queries=st.none() | count),
        "seed": index,
    },
)


@patient
@given(specs)
def test_specs_survive_json(data):
    spec = ExperimentSpec.read(data)
    again = ExperimentSpec.from_json(spec.to_json())
    assert again == spec
    assert again.to_json() == spec.to_json()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("specs") / "s.yaml"


@patient
@given(data=specs)
def test_specs_survive_yaml(file, data):
    file.write_text(yaml.safe_dump(data))
    assert load_spec(file) == ExperimentSpec.read(data)


def assert_lines_match(pattern: str, error: SpecError) -> None:
    for line in str(error).split("\n"):
        assert re.fullmatch(pattern, line)


def places_in(file: Path) -> str:
    return re.escape(str(file)) + r":[1-9]\d*:[1-9]\d*: .+?: .+"


TEMPLATE = re.sub(r" *#.*", "", spec_template("new"))
KEYS = [match.span(1) for match in re.finditer(r"(\w+):", TEMPLATE)]
VALID = {TEMPLATE[start:end] for start, end in KEYS} | {"file", "box", "groups", "tau", "scale"}


@patient
@given(span=st.sampled_from(KEYS), at=st.integers(0, 20), letters=st.text("aeiounst_", max_size=2))
def test_a_misspelt_key_always_has_a_place(file, span, at, letters):
    start, end = span
    key = TEMPLATE[start:end]
    typo = key[:at] + letters + key[at + 1 :]
    if not typo or typo in VALID:
        return
    file.write_text(TEMPLATE[:start] + typo + TEMPLATE[end:])
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    assert_lines_match(places_in(file), caught.value)
    assert f" {typo}: " in str(caught.value) or f".{typo}: " in str(caught.value)


@patient
@given(
    at=st.integers(0, len(TEMPLATE)),
    cut=st.integers(0, 12),
    insert=st.text(max_size=6) | st.text("{}[]:,-?&*!|>'\"%@`# \n\t0e~.", max_size=6),
)
def test_a_damaged_text_never_gives_another_error(file, at, cut, insert):
    file.write_text(TEMPLATE[:at] + insert + TEMPLATE[at + cut :], errors="replace")
    try:
        load_spec(file)
    except SpecError as error:
        assert_lines_match(places_in(file), error)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@patient
@given(data=st.data(), value=anything)
def test_no_value_gives_another_error(data, value):
    spec = ExperimentSpec.read(REQUIRED).model_dump()
    inner: Any = spec
    while isinstance(inner, dict) and inner:
        outer, key = inner, data.draw(st.sampled_from(sorted(inner)))
        inner = outer[key]
        if data.draw(st.booleans()):
            break
    outer[key] = value
    try:
        ExperimentSpec.read(spec)
    except SpecError as error:
        assert_lines_match(r"<spec>: .+?: .+", error)


def test_all_but_three_keys_have_defaults():
    spec = ExperimentSpec(**REQUIRED)
    assert spec.target == "auto"
    assert spec.search.tolerance == 0.02
    assert (spec.verifier.attack.restarts, spec.verifier.attack.steps) == (32, 100)
    assert spec.verifier.milp.seconds == 20.0
    assert (spec.budget.seconds, spec.budget.queries, spec.seed) == (300.0, None, 0)


def test_the_template_spells_the_defaults_out(file):
    file.write_text(spec_template("new"))
    assert load_spec(file) == ExperimentSpec(**REQUIRED)


def test_the_template_shows_every_key():
    shown = yaml.safe_load(spec_template("new"))
    spec = ExperimentSpec(**REQUIRED).model_dump(mode="json")
    spec["solver"] = spec["solver"]["profile"]
    spec["image"].setdefault("path", None)
    assert shown == spec


@pytest.mark.parametrize("target", [3, "3", [3], ["3"]])
def test_a_digit_names_its_label(target):
    assert ExperimentSpec.read(REQUIRED | {"target": target}).targets == ("3",)


def test_a_solver_is_a_name_or_a_mapping():
    spec = ExperimentSpec.read(REQUIRED | {"solver": "mine.yaml"})
    assert spec.solver == SolverChoice(profile="mine.yaml")


def test_the_only_formulation_may_be_said_and_no_other():
    spec = ExperimentSpec.read(REQUIRED | {"verifier": {"milp": {"formulation": "big_m"}}})
    assert spec == ExperimentSpec.read(REQUIRED)
    with pytest.raises(SpecError, match=r"verifier\.milp\.formulation: unknown key"):
        ExperimentSpec.read(REQUIRED | {"verifier": {"milp": {"formulation": "partition"}}})


def test_keys_of_earlier_versions_are_left_out_of_their_json_but_refused_in_a_spec():
    milp = {"formulation": "big_m", "processes": 2, "seconds": 7.0}
    stored = json.dumps(REQUIRED | {"verifier": {"milp": milp}})
    assert ExperimentSpec.from_json(stored).verifier.milp.seconds == 7.0
    with pytest.raises(SpecError, match=r"verifier\.milp\.processes: unknown key"):
        ExperimentSpec.read(REQUIRED | {"verifier": {"milp": {"processes": 2}}})
    with pytest.raises(SpecError, match="verifier: expected"):
        ExperimentSpec.from_json(json.dumps(REQUIRED | {"verifier": 3}))


def test_models_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        ExperimentSpec(**REQUIRED).seed = 1  # type: ignore[misc]


def test_broken_json_is_a_spec_error():
    with pytest.raises(SpecError, match=r"^<json>: \(syntax\): "):
        ExperimentSpec.from_json("{")
    with pytest.raises(SpecError, match=r"(?m)^<json>: seed: expected a whole number; got true$"):
        ExperimentSpec.from_json('{"seed": true}')


def test_the_json_schema_explains_itself():
    schema = ExperimentSpec.json_schema()
    parts = [schema, *schema["$defs"].values()]
    parts += [option for part in parts for option in part.get("anyOf", [])]
    fields = [(name, field) for part in parts for name, field in part.get("properties", {}).items()]
    assert len(fields) > 40
    assert not [name for name, field in fields if not ("description" in field or "$ref" in field)]
    assert schema["required"] == ["classifier", "image", "object"]
    assert {"type": "string"} in schema["$defs"]["SolverChoice"]["anyOf"]
    weights = schema["properties"]["weights"]["oneOf"]
    assert [option["type"] for option in weights] == ["string", "array"]
