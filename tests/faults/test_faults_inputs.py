"""Files from strangers, broken in every way: each is read, or refused by one clear line.

The reading runs in a process of its own under limits of memory and time: see ``fuzz``.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import fuzz
import numpy as np
import onnx
import pytest
from fuzz import BROKEN, DIED, HUNG, READ, REFUSED, Answer, Reader
from fuzz_files import KINDS, mutated, read, valid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from mlspec.errors import MlspecError, NetworkError
from mlspec.interrupts import within
from mlspec.problem.onnx_import import read_network

SECONDS = float(os.environ.get("FUZZ_SECONDS", "15"))
"""For each kind in the slow test."""
PEAK = 1500
"""MiB of memory at most, PyTorch's own included."""


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as process:
        yield process


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_whole_are_read(kind: str, tmp_path: Path) -> None:
    for number, content in enumerate(valid(kind)):
        path = tmp_path / f"{number}{'.npy' if kind in ('array', 'mask') else '.file'}"
        path.write_bytes(content)
        read(kind, path)


@pytest.mark.parametrize("kind", KINDS)
def test_broken_files_are_read_or_refused_by_a_clear_line(kind: str, reader: Reader) -> None:
    @given(st.integers(0, 2**31))
    @settings(max_examples=12, suppress_health_check=list(HealthCheck))
    def refused(seed: int) -> None:
        answer = reader.ask(kind, seed)
        assert not answer.defect, (kind, seed, answer.defect)
        assert answer.peak < PEAK

    refused()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_broken_files_are_read_or_refused(kind: str, reader: Reader) -> None:
    """For a while; ``make fuzz`` goes on for tens of thousands."""
    reader.ask(kind, 0)
    until, seed = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        seed += 1
        answer = reader.ask(kind, seed)
        assert not answer.defect, (kind, seed, answer.defect)
        assert answer.peak < PEAK
    assert seed >= 10


def test_mutations_are_the_same_each_time_and_break_most_files() -> None:
    for kind in KINDS:
        assert mutated(kind, 7) == mutated(kind, 7)
        changed = [mutated(kind, seed) not in valid(kind) for seed in range(30)]
        assert sum(changed) >= 20


@pytest.mark.parametrize(
    ("end", "message", "defect"),
    [
        (READ, "", ""),
        (REFUSED, "r.nc: damaged", ""),
        (REFUSED, "", "refused without a word"),
        (REFUSED, "Traceback (most recent call last)", "not a clear message"),
        (REFUSED, 5000 * "x", "not a clear message"),
        (BROKEN, "KeyError", "broken: KeyError"),
        (HUNG, "after 30 s", "hung: after 30 s"),
        (DIED, "exit code -11", "died: exit code -11"),
    ],
)
def test_what_counts_as_a_defect(end: str, message: str, defect: str) -> None:
    found = Answer(end, message).defect
    assert found.startswith(defect)
    assert bool(found) == bool(defect)


def test_errors_that_are_not_refusals_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(kind: str, path: Path) -> None:
        raise KeyError(kind)

    monkeypatch.setattr("fuzz_files.read", crash)
    assert "KeyError: 'mask'" in fuzz.answered("mask", b"").defect


# Claims that cost nothing to make


def classifier_of(nodes: list[onnx.NodeProto], tensors: dict[str, np.ndarray], size: int) -> bytes:
    """Return a model of an image of ``size`` by ``size``; its last output is that of the graph."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ("batch", 1, size, size))
    axes = ["batch", "m"] if nodes[-1].op_type == "Flatten" else ["batch", "c", "h", "w"]
    scores = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, axes)
    weights = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "g", [image], [scores], weights)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


HUGE = np.array([1, 1, 10**5, 10**5])
CLAIMS = {
    "the input": classifier_of([helper.make_node("Flatten", ["image"], ["y"])], {}, 10**6),
    "a constant that is filled": classifier_of(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
            helper.make_node("Add", ["image", "zeros"], ["y"]),
        ],
        {"shape": HUGE},
        4,
    ),
    "a constant that is repeated": classifier_of(
        [
            helper.make_node("Expand", ["one", "shape"], ["ones"]),
            helper.make_node("Add", ["image", "ones"], ["y"]),
        ],
        {"shape": HUGE, "one": np.ones((1, 1, 1, 1), dtype=np.float32)},
        4,
    ),
    "padding": classifier_of(
        [helper.make_node("Pad", ["image", "pads"], ["y"])],
        {"pads": np.array([0, 0, 0, 0, 0, 0, 10**6, 10**6])},
        4,
    ),
    "padding of windows": classifier_of(
        [
            helper.make_node(
                "MaxPool", ["image"], ["y"], kernel_shape=[2, 2], pads=[1, 1, 10**9, 10**9]
            )
        ],
        {},
        4,
    ),
    "windows far apart": classifier_of(
        [
            helper.make_node(
                "MaxPool",
                ["image"],
                ["y"],
                kernel_shape=[10**9, 1],
                strides=[2**20, 1],
                pads=[10**9 - 1, 0, 10**9 - 1, 0],
            )
        ],
        {},
        4,
    ),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_classifier_that_claims_to_be_huge_is_refused_at_once(claim: str) -> None:
    began = time.monotonic()
    with pytest.raises(NetworkError) as refused:
        read_network(CLAIMS[claim])
    assert time.monotonic() - began < 5.0
    assert "more than the 67,108,864" in str(refused.value) or "are too many" in str(refused.value)


def test_names_that_are_no_text_are_refused() -> None:
    """Whoever writes the bytes of a file need not write UTF-8."""
    content = classifier_of(
        [helper.make_node("Add", ["image", "weight"], ["y"])],
        {"weight": np.ones((1, 1, 4, 4), dtype=np.float32)},
        4,
    )
    model = onnx.load_from_string(content)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    place = tensor.external_data.add()
    place.key, place.value = "location", "weights!"
    broken = model.SerializeToString().replace(b"weights!", b"weights\xff")
    with pytest.raises(NetworkError, match="which is no name"):
        read_network(broken)


def test_a_classifier_without_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("Unable to allocate 16 GiB")

    monkeypatch.setattr("mlspec.problem.onnx_import._trusted", fail)
    with pytest.raises(NetworkError, match=r"^reading it needs more memory than there is$"):
        read_network(valid("classifier")[0])


def test_no_file_runs_code(tmp_path: Path) -> None:
    """Pickles, and tags of YAML that name functions."""
    victim = tmp_path / "touched"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (victim,)

    np.save(tmp_path / "a.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    (tmp_path / "s.yaml").write_text(
        f"seed: !!python/object/apply:os.system [touch {victim}]\nimage: {{file: a.npy}}\n"
    )
    for kind, name in (("array", "a.npy"), ("mask", "a.npy"), ("spec", "s.yaml")):
        with pytest.raises(MlspecError):
            read(kind, tmp_path / name)
    assert not victim.exists()


def test_nothing_is_unpickled() -> None:
    """No module of mlspec asks for it."""
    for file in Path("mlspec").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for word in ("import pickle", "allow_pickle=True", "torch.load(", "yaml.load(", "eval("):
            assert word not in text.replace(".eval(", ""), f"{file}: {word}"


def test_a_type_of_numbers_that_onnx_does_not_know_is_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(valid("classifier")[0])
    model.graph.input[0].type.tensor_type.elem_type = 33
    with pytest.raises(NetworkError, match=r"computes in an unknown type \(33\)"):
        read_network(model.SerializeToString())


@pytest.mark.slow
def test_a_result_that_hdf5_never_ends_to_read_is_refused(tmp_path: Path) -> None:
    """A changed byte makes the library run in a circle: found by fuzzing.

    The command has a process of its own, as the thread that reads the file is left behind in it.
    """
    packed = Path(__file__).with_name("never_ending.nc.gz").read_bytes()
    (tmp_path / "r.nc").write_bytes(gzip.decompress(packed))
    command = [sys.executable, "-m", "mlspec", "show", "r.nc"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 2
    said = " ".join(ran.stderr.split())
    assert said.startswith("r.nc: damaged: reading it has not ended after 20")
    assert "Traceback" not in said


def test_a_call_ends_within_its_time_or_is_left_behind() -> None:
    assert within(5.0, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5.0, lambda: 1 // 0)
    stop = Event()
    with pytest.raises(TimeoutError, match=r"not ended after 0\.05 s"):
        within(0.05, stop.wait)
    stop.set()
