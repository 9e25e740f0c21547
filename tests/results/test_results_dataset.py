"""Datasets hold all of a problem and a trace, and say what each variable is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from law import law
from results_cases import ONNX, PROVENANCE, UPPER_BOUND, Case, cases, random_case

from mlspec.core import forward
from mlspec.core.objective import OBJECTIVES
from mlspec.core.trace import Block, Trace
from mlspec.errors import DataError
from mlspec.results import (
    aim_of,
    neighborhood_of,
    objective_of,
    property_of,
    to_dataset,
    value_of,
)
from mlspec.results.moves import move_name
from mlspec.results.schema import ASYMMETRIC, VARIABLES


@law(cases(), quick=60, deep=1000)
def test_a_dataset_holds_the_answer_and_the_question(case: Case) -> None:
    problem, trace, ds = case.problem, case.trace, case.ds
    assert float(ds["size"]) == problem.weights @ trace.best
    assert float(ds["upper_bound"]) == UPPER_BOUND
    np.testing.assert_array_equal(ds["epsilon"], trace.best)
    np.testing.assert_array_equal(ds["image"], problem.image)
    np.testing.assert_array_equal(ds["object_mask"].astype(bool), problem.object_mask)
    np.testing.assert_array_equal(ds["layer_pixels"], problem.layering.pixels)
    np.testing.assert_array_equal(ds["epsilon_map"], problem.layering.spread(trace.best))
    np.testing.assert_array_equal(
        ds["scores"], forward.scores(problem.network, problem.image[None])[0]
    )
    assert ds["classifier_onnx"].values.tobytes() == ONNX
    assert tuple(ds["label"].values) == problem.label_names


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_dataset_says_what_was_maximised(name: str) -> None:
    case = random_case(np.random.default_rng(4))
    problem = replace(case.problem, aim=name, weights=case.problem.weights + 0.5)
    case.trace.objective_bound = 0.75
    ds = to_dataset(problem, case.trace, PROVENANCE)
    assert aim_of(ds) == ds.attrs["objective"] == name
    assert float(ds["objective"]) == float(problem.objective.values(case.trace.best))
    steps = [float(problem.objective.values(step.eps)) for step in case.trace.steps]
    np.testing.assert_allclose(ds["step_objective"], steps)
    np.testing.assert_array_equal(objective_of(ds).weights, problem.weights)
    expected = UPPER_BOUND if name == "weighted_sum" else 0.75
    assert value_of(ds) == (float(ds["objective"]), expected)


def test_results_that_know_no_objective_maximised_the_size() -> None:
    ds = random_case(np.random.default_rng(4)).ds
    later = ["objective", "objective_bound", "step_objective"]
    older = ds.drop_vars(later).drop_attrs(deep=False).assign_attrs(targets=ds.attrs["targets"])
    assert value_of(older) == (float(ds["size"]), UPPER_BOUND)


@law(cases(), quick=60, deep=1000)
def test_a_dataset_holds_the_search(case: Case) -> None:
    trace, ds = case.trace, case.ds
    assert ds.sizes["step"] == len(trace.steps)
    for number, step in enumerate(trace.steps):
        np.testing.assert_array_equal(ds["step_epsilon"][number], step.eps)
        assert float(ds["step_size"][number]) == step.size
        assert ds["step_verdict"].values[number] == step.outcome.value
        assert ds["step_proof"].values[number] == step.basis
        note = move_name(step.move, step.grown, case.problem.layering)
        assert ds["step_note"].values[number] == note
        assert float(ds["step_seconds"][number]) == step.seconds
    assert ds.sizes["iteration"] == len(trace.iterations)
    for number, each in enumerate(trace.iterations):
        np.testing.assert_array_equal(ds["iteration_epsilon"][number], each.eps)
        np.testing.assert_array_equal(ds["iteration_gradient"][number], each.gradient)
        np.testing.assert_array_equal(ds["iteration_weight"][number], each.weights)
        assert ds["iteration_move"].values[number] == each.move.value
        assert ds["iteration_verdict"].values[number] == each.outcome.value
        assert float(ds["iteration_margin"][number]) == each.margin
        assert float(ds["iteration_lambda"][number]) == each.lambda_
        assert float(ds["iteration_seconds"][number]) == each.seconds
    assert ds.sizes["query"] == len(trace.queries)
    for number, query in enumerate(trace.queries):
        assert ds["query_ask"].values[number] == query.ask.value
        assert ds["query_stage"].values[number] == query.stage.value
        assert ds["query_verdict"].values[number] == query.outcome.value
        assert bool(ds["query_milp"].values[number]) is query.milp
        assert ds["query_proof"].values[number] == query.basis
    assert ds.sizes["witness"] == len(trace.cuts)
    for number, cut in enumerate(trace.cuts):
        np.testing.assert_array_equal(ds["cut_extents"][number], cut.extents)
        np.testing.assert_array_equal(ds["witness_image"][number], cut.witness)


@law(cases(), quick=60, deep=1000)
def test_a_layer_has_a_blocking_witness_or_nan(case: Case) -> None:
    for layer in range(case.problem.layering.count):
        block, cut = case.trace.block_of(layer)
        assert Block(str(case.ds["blocked_by"].values[layer])) is block
        witness = case.ds["blocking_witness"].values[layer]
        scores = case.ds["blocking_scores"].values[layer]
        if cut is None:
            assert np.isnan(witness).all()
            assert np.isnan(scores).all()
        else:
            np.testing.assert_array_equal(witness, cut.witness)
            expected = forward.scores(case.problem.network, cut.witness[None])[0]
            np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-12)


@law(cases(), quick=60, deep=1000)
def test_nouns_come_back(case: Case) -> None:
    neighborhood = neighborhood_of(case.ds)
    expected = case.problem.neighborhood(case.trace.best).box
    np.testing.assert_array_equal(neighborhood.box.lower, expected.lower)
    np.testing.assert_array_equal(neighborhood.box.upper, expected.upper)
    property_ = property_of(case.ds)
    assert property_.rule == case.problem.property.rule
    assert property_.targets == case.problem.property.targets
    assert property_.labels == case.problem.property.labels


@law(cases(), quick=20, deep=200)
def test_every_variable_is_described_and_every_attribute_is_plain(case: Case) -> None:
    ds = case.ds
    assert set(ds.data_vars) == set(VARIABLES) - ASYMMETRIC
    for name, variable in ds.variables.items():
        assert variable.attrs["long_name"], name
        assert variable.attrs["units"], name
        if name in VARIABLES:
            assert variable.dims == VARIABLES[str(name)].dims
    assert all(type(value) in (str, int, float) for value in ds.attrs.values())


def test_attributes_say_where_it_comes_from() -> None:
    case = random_case(np.random.default_rng(3))
    attrs = case.ds.attrs
    assert json.loads(attrs["spec"]) == json.loads(PROVENANCE.spec_json)
    assert json.loads(attrs["versions"]) == PROVENANCE.versions
    assert attrs["classifier_sha256"] == hashlib.sha256(ONNX).hexdigest()
    assert len(attrs["image_sha256"]) == 64
    assert (attrs["name"], attrs["solver"], attrs["seed"]) == ("case", "highs", 7)
    assert attrs["object_label"] == "3"


def test_an_empty_trace_is_a_running_search_with_nothing_certified() -> None:
    problem = random_case(np.random.default_rng(3)).problem
    ds = to_dataset(problem, Trace(problem.layering.count), PROVENANCE)
    assert ds.attrs["stop_reason"] == "running"
    assert (ds.sizes["step"], ds.sizes["query"], ds.sizes["witness"]) == (0, 0, 0)
    assert set(ds["blocked_by"].values) == {"budget"}
    assert float(ds["size"]) == 0.0


@pytest.mark.parametrize(
    ("name", "value"), [("decision", '{"rule": "coin"}'), ("decision", "{"), ("targets", '["no"]')]
)
def test_damaged_attributes_give_a_clear_error(name: str, value: str) -> None:
    ds = random_case(np.random.default_rng(3)).ds.assign_attrs({name: value})
    with pytest.raises(DataError, match="'targets' and 'decision' are damaged"):
        property_of(ds)
