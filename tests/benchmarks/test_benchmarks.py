"""The benchmarks run, and every tool gets the same question."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from onnx_files import model_of_network
from strategies import problem_of

from benchmarks import loads, peers, peers_marabou
from benchmarks.__main__ import main
from benchmarks.cases import Case
from benchmarks.queries import (
    ROUNDING,
    Answer,
    DisagreementError,
    End,
    Query,
    agree,
    controlled,
    decided,
    ours,
    queries_at,
)
from benchmarks.tables import markdown
from mlspec import load_spec
from mlspec.core import forward
from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.property import Property, TopK
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu

SECONDS = 30.0
WIDE, NARROW = 0.3, 0.1
"""Radii at which the case below is violated, and robust although bounds leave it open."""
Ask = Callable[[Query], Answer]


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed: {peers.INSTALL}")


@pytest.fixture(scope="module")
def case() -> Case:
    """A small network with all that the shipped ones have: padding, strides, a pool of channels."""
    rng = np.random.default_rng(4)

    def random(*shape: int) -> Array:
        return rng.normal(size=shape).astype(np.float32).astype(np.float64)

    network = Network(
        (
            Conv(random(3, 1, 3, 3), random(3), (2, 2), (1, 1)),
            Relu(),
            Conv(random(2, 3, 2, 2), random(2)),
            Relu(),
            MaxPool((2, 2), (2, 2)),
            Flatten(),
            Linear(random(4, 2), random(4)),
        ),
        (1, 6, 6),
    )
    image = rng.uniform(0.3, 0.7, network.input_shape)
    best = int(forward.scores(network, image[None])[0].argmax())
    layering = Layering(np.zeros((6, 6), dtype=np.int16), 1)
    problem = problem_of(network, image, layering, Property(TopK(2), (best,), network.labels))
    onnx = model_of_network(network).SerializeToString()
    return Case("tiny", "all pixels", load_spec("specs/small.yaml"), problem, onnx, np.ones(1))


@pytest.fixture(scope="module")
def query(case: Case) -> Query:
    return queries_at(case, WIDE * case.direction, 1)[0]


def of_omlt(case: Case) -> Ask:
    from benchmarks import peers_omlt

    def ask(query: Query) -> Answer:
        model = peers_omlt.compiled(query)
        arrays = loads.by_pyomo(model)
        return decided(case, query, model, arrays, SECONDS, time.perf_counter())

    return ask


def of_marabou(case: Case) -> Ask:
    return lambda query: peers_marabou.ask(query, case.onnx, SECONDS, gigabytes=8.0)


PEERS = [
    pytest.param(of_marabou, id="marabou", marks=needs("maraboupy")),
    pytest.param(of_omlt, id="omlt", marks=needs("omlt")),
]
TOOLS = [
    pytest.param(lambda case: lambda query: ours(case, query, SECONDS), id="mlspec"),
    *PEERS,
]


@pytest.mark.parametrize("tool", PEERS)
def test_a_peer_sees_the_network_as_it_is(
    tool: Callable[[Case], Ask], case: Case, query: Query
) -> None:
    share = np.random.default_rng(6).uniform(size=query.box.lower.shape)
    image = query.box.lower + share * (query.box.upper - query.box.lower)
    point = replace(query, box=Box(image, image))
    claim = query.item.claim
    for wanted, end in ((1e-3, End.ROBUST), (-1e-3, End.VIOLATED)):
        offsets = claim.offsets - point.margin(image) + wanted
        item = replace(point.item, claim=replace(claim, offsets=offsets))
        assert tool(case)(replace(point, item=item)).end is end


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_finds_what_violates(tool: Callable[[Case], Ask], case: Case, query: Query) -> None:
    answer = tool(case)(query)
    assert answer.end is End.VIOLATED
    assert answer.witness is not None
    assert query.box.contains(answer.witness)
    assert query.margin(answer.witness) <= ROUNDING


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_proves_what_bounds_leave_open(tool: Callable[[Case], Ask], case: Case) -> None:
    (query,) = queries_at(case, NARROW * case.direction, 1)
    assert tool(case)(query).end is End.ROBUST


def test_who_did_not_decide_counts_with_the_limit() -> None:
    assert Answer(End.ROBUST, 2.0).counted(60.0) == 2.0
    for end in (End.TIMEOUT, End.MEMORY, End.FAILED, End.REFUTED):
        assert Answer(end, 2.0).counted(60.0) == 60.0


def test_a_point_that_does_not_violate_is_no_verdict(query: Query) -> None:
    answer = query.replayed(query.problem.image, 1.0)
    assert answer.end is End.FAILED
    assert "no violation" in answer.note


def test_contradicting_verdicts_raise(query: Query) -> None:
    image = query.problem.image
    robust, violated = Answer(End.ROBUST, 1.0), Answer(End.VIOLATED, 1.0, image)
    with pytest.raises(DisagreementError, match=r"one: robust, other: violated.*replay"):
        agree(query, {"one": robust, "other": violated})
    agree(query, {"one": robust, "other": Answer(End.TIMEOUT, 1.0)})


def test_who_calls_everything_robust_is_refuted(case: Case, query: Query) -> None:
    robust = Answer(End.ROBUST, 1.0)
    asked: list[Query] = []

    def credulous(each: Query) -> Answer:
        asked.append(each)
        return robust

    answer = controlled(case, query, robust, credulous)
    assert answer.end is End.REFUTED
    (control,) = asked
    assert (control.box.upper - control.box.lower).max() < 0.01
    answer = controlled(case, query, robust, lambda _: Answer(End.TIMEOUT, 1.0))
    assert (answer.end, answer.note) == (End.ROBUST, "control: timeout")
    violated = Answer(End.VIOLATED, 1.0, query.problem.image)
    assert controlled(case, query, violated, credulous) is violated


def test_a_model_of_about_a_size_is_found(case: Case) -> None:
    found = loads.of_size(case, 40)
    load = loads.median_load(found, 3)
    assert abs(load.program.rows - 40) < 20
    assert load.seconds == pytest.approx(load.build + load.arrays + load.hand_over)


def test_a_ratio_says_what_it_is_worth() -> None:
    assert peers.compared_times(End.ROBUST, End.ROBUST, 12.3) == "12 ×"
    assert peers.compared_times(End.ROBUST, End.TIMEOUT, 1.23) == "≥ 1.2 ×"
    assert peers.compared_times(End.ROBUST, End.MEMORY, 12.3) == "(12 ×)"
    assert peers.compared_times(End.ROBUST, End.REFUTED, 12.3) == "(12 ×)"
    assert peers.compared_times(End.TIMEOUT, End.ROBUST, 0.1) == "≤ 0.1 ×"
    assert peers.compared_times(End.TIMEOUT, End.MEMORY, 1.0) == "-"


def test_tables_are_markdown() -> None:
    assert markdown(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


@needs("maraboupy")
def test_marabou_out_of_memory_is_no_verdict(case: Case, query: Query) -> None:
    answer = peers_marabou.ask(query, case.onnx, SECONDS, gigabytes=0.05)
    assert not answer.end.decides


@pytest.mark.slow
def test_stages_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--specs", "small", "--directions", "object only", "--seconds", "5"]
    main(["stages", *options])
    assert "| `small` | object only |" in capsys.readouterr().out


@pytest.mark.slow
def test_radius_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    main(["radius", "--specs", "small", "--directions", "object only", "--seconds", "5"])
    printed = capsys.readouterr().out
    assert "| `small` | object only |" in printed
    assert "of 1." in printed


@pytest.mark.slow
def test_neighbours_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    main(["neighbours", "--specs", "none_img3", "--directions", "object only"])
    assert "| `none_img3` | object only | 7 |" in capsys.readouterr().out


@pytest.mark.slow
def test_strategies_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    main(["strategies", "--specs", "small", "--variants", "naive", "exact", "--seconds", "1"])
    printed = capsys.readouterr().out
    assert "| `small` | naive |" in printed
    assert "| `small` | exact |" in printed


@pytest.mark.slow
def test_peers_on_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--specs", "small", "--directions", "object only", "--shares", "1", "--seconds", "5"]
    main(["peers", *options, "--loaded", "small", "--rows", "300"])
    printed = capsys.readouterr().out
    for package in peers.PEERS.values():
        installed = importlib.util.find_spec(package) is not None
        assert installed or f"{package} is not installed: {peers.INSTALL}" in printed


def test_labels_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    main(["labels", "--specs", "pgd_img3", "--images", "2", "--seconds", "20"])
    assert "| `pgd` | 0.001 | 2 |" in capsys.readouterr().out
