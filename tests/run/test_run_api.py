"""The Python interface: load_spec, solve, verify, open_result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from run_cases import small

import mlspec
import mlspec.run
from mlspec.core.events import Event
from mlspec.core.trace import Trace
from mlspec.core.verdict import Outcome, Verdict
from mlspec.errors import InputError, ResumeError, SpecError
from mlspec.results import save


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, Path]:
    """A small result and the file it was saved in."""
    path = tmp_path_factory.mktemp("run") / "r.nc"
    return mlspec.solve(small(), path), path


def test_the_public_names_are_there() -> None:
    assert (
        {"load_spec", "open_result", "solve", "verify"} <= set(mlspec.__all__) <= set(dir(mlspec))
    )
    for name in mlspec.__all__:
        assert callable(getattr(mlspec, name))
    with pytest.raises(AttributeError, match="no attribute 'slove'"):
        mlspec.slove  # noqa: B018


def test_looking_at_mlspec_loads_neither_torch_nor_a_solver() -> None:
    code = (
        "import sys, mlspec; mlspec.load_spec('specs/small.yaml');"
        "print([name for name in ('torch', 'highspy', 'pyomo') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_what_is_returned_is_what_is_saved(solved: tuple[xr.Dataset, Path]) -> None:
    result, path = solved
    xr.testing.assert_identical(mlspec.open_result(path), result)


def test_a_result_holds_its_problem(solved: tuple[xr.Dataset, Path]) -> None:
    wanted = mlspec.run.prepare(small()).problem
    found = mlspec.run.problem_of(solved[0])
    assert found.network.digest == wanted.network.digest
    assert found.property == wanted.property
    assert found.label_names == wanted.label_names
    for name in ("image", "object_mask", "weights"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    np.testing.assert_array_equal(found.layering.index, wanted.layering.index)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_an_answer_and_all_below_it_are_robust(
    share: float, solved: tuple[xr.Dataset, Path]
) -> None:
    verdict = mlspec.verify(small(), share * solved[0]["epsilon"].values)
    assert isinstance(verdict, Verdict)
    assert verdict.outcome is Outcome.ROBUST
    assert verdict.margin is not None
    assert verdict.margin > 0.0


def test_a_result_is_certified_again_from_itself(solved: tuple[xr.Dataset, Path]) -> None:
    assert mlspec.run.recertify(solved[0]).robust
    assert mlspec.run.recertify(mlspec.open_result(solved[1]), "highs").robust


def test_a_violation_comes_with_a_witness_inside() -> None:
    spec = small()
    verdict = mlspec.verify(spec, 0.8)
    assert verdict.outcome is Outcome.VIOLATED
    assert verdict.witness is not None
    assert verdict.extents is not None
    assert verdict.margin is not None
    problem = mlspec.run.prepare(spec).problem
    assert problem.neighborhood(np.full(problem.layering.count, 0.8)).box.contains(verdict.witness)
    assert problem.margin(verdict.witness[None])[0] == verdict.margin <= 0.0
    assert np.all(verdict.extents <= 0.8)


@pytest.mark.parametrize(
    ("eps", "complaint"),
    [
        (np.zeros(99), r"99 epsilons for \d+ layers"),
        (np.zeros((1, 1)), r"1 epsilons for \d+ layers"),
        (1.5, r"epsilons lie in \[0, 1\]"),
        (-0.1, r"epsilons lie in \[0, 1\]"),
        (float("nan"), r"epsilons lie in \[0, 1\]"),
        ("x", "epsilons are numbers, one or one per layer; got 'x'"),
    ],
)
def test_epsilons_that_are_none_are_refused(eps: float, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        mlspec.verify(small(), eps)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"search__strategy": "naive", "budget__queries": 6},
        pytest.param({"seed": 7, "shrink__policy": "fixed"}, marks=pytest.mark.slow),
        pytest.param({"search__strategy": "exact"}, marks=pytest.mark.slow),
    ],
)
def test_the_same_spec_gives_the_same_answer(changes: dict[str, object]) -> None:
    """Counted work ends a search at the same place, however loaded the machine is."""
    work: dict[str, object] = {"budget__work": 2.0, "budget__seconds": 600.0, "budget__queries": 9}
    first = mlspec.solve(small(**{**work, **changes}))
    with busy_cores():
        second = mlspec.solve(small(**{**work, **changes}))
    names = ("epsilon", "step_epsilon", "step_verdict", "query_stage", "query_verdict")
    for name in (*names, "witness_image"):
        np.testing.assert_array_equal(first[name].values, second[name].values)
    assert first.attrs["stop_reason"] == second.attrs["stop_reason"]
    assert first.attrs["stop_reason"] in ("budget: work", "budget: queries")


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep two processes busy while the block runs."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_the_wall_clock_ends_counted_work_too() -> None:
    result = mlspec.solve(small(budget__work=1e6, budget__seconds=3.0))
    assert result.attrs["stop_reason"] == "budget: seconds"
    assert float(result.attrs["wall_seconds"]) < 20.0


def test_a_query_decided_by_counted_work_is_unknown_for_that_reason() -> None:
    verdict = mlspec.verify(small(budget__work=0.01, verifier__bounds="interval"), 0.00155)
    assert verdict.outcome is Outcome.UNKNOWN
    assert "budget.work" in verdict.reason
    assert mlspec.verify(small(budget__work=60.0), 0.0005).robust


def test_work_that_cannot_be_counted_is_refused() -> None:
    with pytest.raises(SpecError, match=r"budget\.work: the work of solver scip cannot be counted"):
        mlspec.solve(small(budget__work=1.0, solver="scip"))


def test_a_query_budget_is_kept() -> None:
    for queries in (1, 3):
        changes = {"search__strategy": "naive", "budget__queries": queries}
        result = mlspec.solve(small(**changes))
        assert int((result["query_ask"].values == "complete").sum()) == queries
        assert result.attrs["stop_reason"] == "budget: queries"


def test_a_watcher_sees_the_best_grow() -> None:
    sizes: list[float] = []
    weights = mlspec.run.prepare(small()).problem.weights

    def watch(trace: Trace, event: Event) -> None:
        assert isinstance(event, Event)
        sizes.append(float(weights @ trace.best))

    result = mlspec.solve(small(), watch=watch)
    assert sizes == sorted(sizes)
    assert sizes[-1] == float(result["size"])


def interruption(after: int) -> Callable[[Trace, Event], None]:
    """Return a watcher that presses Ctrl-C once, at its ``after``-th call."""
    calls = 0

    def watch(trace: Trace, event: Event) -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise KeyboardInterrupt

    return watch


@pytest.mark.parametrize("after", [1, 2, 9, 30])
def test_ctrl_c_ends_the_search_and_not_the_call(after: int, tmp_path: Path) -> None:
    path = tmp_path / "r.nc"
    result = mlspec.solve(small(), path, interruption(after))
    assert result.attrs["stop_reason"] == "interrupted"
    xr.testing.assert_identical(mlspec.open_result(path), result)
    certified = result["step_size"].values[result["step_verdict"].values == "robust"]
    assert float(result["size"]) == max(certified, default=0.0)


def test_going_on_takes_over_what_was_found(solved: tuple[xr.Dataset, Path]) -> None:
    earlier = mlspec.open_result(solved[1])
    result = mlspec.solve(small(), resume=earlier)
    assert float(result["size"]) >= float(earlier["size"])
    assert result["step_note"].values[0] == "resumed"


def test_radii_that_were_tampered_with_do_not_become_certified(
    solved: tuple[xr.Dataset, Path], tmp_path: Path
) -> None:
    """What a file claims is proved again before it counts."""
    earlier = mlspec.open_result(solved[1])
    earlier["epsilon"].values[:] = 0.9
    save(earlier, tmp_path / "forged.nc")
    with pytest.raises(ResumeError, match="an image within it violates"):
        mlspec.solve(small(), resume=mlspec.open_result(tmp_path / "forged.nc"))


def test_ctrl_c_before_an_earlier_result_is_proved_again_leaves_its_file(
    solved: tuple[xr.Dataset, Path], tmp_path: Path
) -> None:
    path = tmp_path / "r.nc"
    path.write_bytes(solved[1].read_bytes())
    with pytest.raises(KeyboardInterrupt):
        mlspec.solve(small(), path, interruption(1), mlspec.open_result(path))
    assert path.read_bytes() == solved[1].read_bytes()


def test_another_question_is_not_gone_on_with(solved: tuple[xr.Dataset, Path]) -> None:
    earlier = mlspec.open_result(solved[1])
    with pytest.raises(InputError, match="answers another question"):
        mlspec.solve(small(layers__count=2), resume=earlier)


def test_a_file_is_no_spec() -> None:
    for call in (mlspec.solve, lambda name: mlspec.verify(name, 0.1)):
        with pytest.raises(InputError, match=r"load_spec.* returns; got 'file\.yaml'"):
            call("file.yaml")


def test_torch_keeps_its_threads() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        mlspec.verify(small(), 0.001)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_a_result_says_what_it_rests_on(solved: tuple[xr.Dataset, Path]) -> None:
    result, _ = solved
    certified = result["step_verdict"].values == "robust"
    assert set(result["step_proof"].values[certified]) <= {"bounds", "dual bounds in float64"}
    assert set(result["step_proof"].values[~certified]) <= {"none", "replayed image"}
    assert result.attrs["proof"] in ("bounds", "dual bounds in float64")
